"""The whole way through the command line: a log of one's own, the run folders, the report."""

import json
import re

import numpy as np
import pytest

from benchmark.store.plan import read_plan
from benchmark.store.records import RunStore
from models.registry import available, methods_named
from reports.verify import verify

BACKBONES = available("backbones")
FOUR_MODELS = (
    *("--only", "main", "--backbones", "dnn", "dcnv2"),
    *("--methods", "plain", "adasparse"),
)


def read_records(out):
    store = RunStore(out)
    return [store.read(store.run_folder(config)) for config in read_plan(out).slots.values()]


def test_every_cell_is_done_and_the_report_is_there(finished):
    out, _, done = finished

    assert len(read_records(out)) == 2 * 2 * 2  # backbones, methods, seeds
    assert (out / "report" / "index.html").is_file()
    for ending in ("md", "csv", "tex"):
        assert (out / "report" / "tables" / f"table1.{ending}").stat().st_size > 0
    lines = done.stdout.splitlines()
    assert lines[-1] == f"report: {(out / 'report' / 'index.html').as_uri()}"
    assert "not which method is better" in done.stdout
    assert any(line.startswith("DNN +AdaSparse  ") for line in lines)
    start = next(line for line in lines if line.endswith(f" -> {out}"))
    assert re.fullmatch(r"16 trainings \(8 trials, 8 runs\), about \d+ s, 2 workers -> .*", start)


@pytest.mark.usefixtures("all_figures")
def test_all_numbers_of_the_store_follow_from_its_files(finished):
    assert verify(finished[0]).differences == []


def test_only_the_pruning_method_leaves_masks_and_they_cover_every_layer(finished):
    for record in read_records(finished[0]):
        path = record.path / "masks.npz"
        assert path.exists() == (record.config.method == "adasparse")
        if path.exists():
            masks = np.load(path)
            widths = [masks[f"layer{layer}_keep_rate"].shape[1] for layer in range(4)]
            assert widths == [4 * 8, 64, 32, 16]
            assert masks["layer0_keep_rate"].shape[0] == 3  # domains


def test_a_second_call_runs_nothing_and_changes_nothing(finished, front_door):
    out, spec, _ = finished
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}

    again = front_door("--preset", "smoke", "--data", spec, "--out", out, *FOUR_MODELS)

    assert again.returncode == 0
    assert "16 of 16 trainings were done before" in again.stdout
    changed = {p.name for p, time in before.items() if p.stat().st_mtime_ns != time}
    assert not changed & {"record.json", "predictions.parquet", "index.html", "table1.csv"}


def test_status_counts_the_cells(finished, front_door):
    done = front_door("--status", "--out", finished[0])

    assert done.returncode == 0
    assert "8 cells: 8 done, 0 failed, 0 missing" in done.stdout
    assert "tuning: 8 trials: 8 done, 0 failed, 0 missing" in done.stdout


@pytest.mark.slow
def test_predictions_are_bitwise_equal_whatever_the_number_of_jobs(finished, run_all, tmp_path):
    out, spec, _ = finished
    alone = tmp_path / "alone"

    done = run_all(
        *("--preset", "smoke", "--data", spec, "--out", alone, "--jobs", 1),
        *(*FOUR_MODELS, "--seeds", 1, "--backbones", "dnn"),
    )

    assert done.returncode == 0
    records = read_records(alone)
    assert [record.config.method for record in records] == ["plain", "adasparse"]
    for record in records:
        twin = out / record.path.relative_to(alone)
        for name in ("predictions.parquet", "domains.parquet", "history.csv"):
            assert (twin / name).read_bytes() == (record.path / name).read_bytes()
        content, other = (json.loads((f / "record.json").read_text()) for f in (record.path, twin))
        for block in ("timing", "environment"):
            del content[block], other[block]
        assert content == other


def test_records_say_where_they_were_made(finished):
    for record in read_records(finished[0]):
        environment = record.environment
        assert environment["device"] == "cpu"
        assert environment["dtype"] == "float32"
        assert environment["threads"] == 1
        assert environment["packages"]["torch"]


def test_records_have_the_time_by_both_clocks(finished):
    for record in read_records(finished[0]):
        for name in ("train_seconds", "evaluate_seconds", "step_milliseconds"):
            clock, unit = name.split("_")
            assert record.timing[name] > 0.0
            assert record.timing[f"{clock}_cpu_{unit}"] > 0.0


@pytest.mark.slow
@pytest.mark.parametrize("words", [[], ["kuairand", "kuairand_pure"], ["iaac", "iaac"]])
def test_smoke_preset_on_the_logs_of_the_catalog(run_all, request, tmp_path, words):
    selection = []
    if words:
        folder = request.getfixturevalue("real_data")(words[1])
        selection = ["--data", words[0], "--data-dir", folder]

    done = run_all("--preset", "smoke", *selection, "--out", tmp_path, "--seeds", 1)

    assert done.returncode == 0, done.stderr
    records = read_records(tmp_path)
    assert len(records) == len(read_plan(tmp_path).slots)
    assert {record.config.model for record in records} == {
        *(f"{backbone}+{method}" for backbone in BACKBONES for method in methods_named(["paper"])),
        "logistic_regression+reference",
        "boosted_trees+reference",
    }
    blind = {record.config.method for record in records if record.config.is_blind}
    assert blind == {"adasparse", "apg"}  # smoke has two changes of a kind in a study
    page = (tmp_path / "report" / "index.html").read_text()
    assert (words or ["synthetic_production"])[0] in page


@pytest.mark.gpu
def test_a_run_on_a_gpu_repeats_itself(run_all, tiny_log):
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    predictions = []
    for name in ("one", "two"):
        out = tiny_log.parent / name
        done = run_all(
            *("--preset", "smoke", "--data", tiny_log, "--out", out, "--device", "cuda"),
            *("--seeds", 1, "--only", "main"),
        )
        assert done.returncode == 0, done.stderr
        assert "not measured" not in done.stdout  # latencies, on the GPU too
        paths = sorted(out.rglob("predictions.parquet"))
        predictions.append([path.read_bytes() for path in paths])

    assert predictions[0] == predictions[1]
