"""Latencies of kept models: after all trainings, made up for where they are missing."""

import shutil

import polars as pl
import pytest

from benchmark.planning.cells import configure
from benchmark.planning.studies import Change
from benchmark.running import latency
from benchmark.running.local import attempt
from benchmark.running.network_run import run_cell
from benchmark.store.data_folder import store_data
from benchmark.store.plan import read_plan
from benchmark.store.records import LATENCY, RECORD, RunStore
from benchmark.tasks import RunTask
from models.predictors import predict

ASKED = ("--only", "main", "--backbones", "dnn", "dcnv2", "--methods", "plain", "adasparse")
NAMES = {
    f"latency_batch{rows}_p{percent}_milliseconds" for rows in (1, 256) for percent in (50, 99)
}
FAILS = """
        if not self.training and len(context.x_0) == 256:
            raise LookupError("no place for 256 rows")
"""


def records_of(out):
    """The records of a store by run id."""
    store = RunStore(out)
    return {c.run_id: store.read_run(c) for c in read_plan(out).slots.values()}


@pytest.fixture
def again(finished, tmp_path, front_door):
    """A copy of a finished store, and a function that makes the same call on it again."""
    out = tmp_path / "out"
    shutil.copytree(finished[0], out)

    def call():
        done = front_door("--preset", "smoke", "--data", finished[1], "--out", out, *ASKED)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return out, call


def test_first_run_of_each_model_has_a_latency_measured_after_all_trainings(finished):
    out, _, done = finished

    lines = done.stdout.splitlines()

    first = lines.index("measuring latencies, one model at a time: 4")
    assert lines[first - 1].startswith("[16/16] ")
    assert lines[first + 1] == "writing the report ..."
    for record in records_of(out).values():
        assert record.latency.keys() == (NAMES if record.config.seed == 1 else set())
        assert not NAMES & record.timing.keys()


@pytest.mark.usefixtures("light_tables")
def test_missing_and_damaged_latencies_are_measured_again_without_a_training(again):
    out, call = again
    removed, damaged, *kept = sorted(out.glob(f"runs/**/{LATENCY}"))
    before = {path: path.stat().st_mtime_ns for path in (*kept, *out.glob(f"runs/**/{RECORD}"))}
    removed.unlink()
    damaged.write_text(damaged.read_text().replace('"run_id": "', '"run_id": "f'))

    lines = call()

    assert "measuring latencies, one model at a time: 2" in lines
    assert not [line for line in lines if line.startswith("[")]
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert sum(bool(record.latency) for record in records_of(out).values()) == 4


@pytest.mark.usefixtures("light_tables")
def test_a_device_that_the_call_has_not_is_left_out(again):
    out, call = again
    path = next(out.glob(f"runs/**/{LATENCY}"))
    path.unlink()
    record = path.with_name(RECORD)
    record.write_text(record.read_text().replace('"device": "cpu"', '"device": "cuda"'))

    lines = call()

    assert "latencies of models on cuda not measured; --device cuda measures them" in lines
    assert not [line for line in lines if line.startswith("measuring")]
    assert not path.exists()


def test_another_trainings_latency_is_none(again):
    out, _ = again
    first, second, *_ = sorted(out.glob(f"runs/**/{LATENCY}"))

    shutil.copy(first, second)

    record = records_of(out)[second.parent.name]
    assert record.latency == {}


@pytest.fixture
def trained(log, select, tmp_path):
    """A function that trains a DNN with a method: the store that keeps it, and its task."""
    store = RunStore(tmp_path / "out")
    store_data(store, log)

    def train(method):
        config = configure(select(), "tiny", log, "dnn", Change(method=method))
        task = RunTask(config=config, data=log, out=store.out)
        run_cell(task)
        return store, task

    return train


def test_a_model_that_is_not_whole_fails_its_own_latency_in_a_line(trained, log):
    store, task = trained("plain")
    (store.data_folder(log.fingerprint) / "encoders.json").unlink()

    outcome = attempt(task, latency.measure)

    assert outcome.error.startswith("ModelError: ")
    assert outcome.error.endswith("encoders.json")
    assert store.read_run(task.config).latency == {}


@pytest.mark.parametrize("method", ["star", "maml"])
def test_latency_is_that_of_the_trained_predictor(trained, log, monkeypatch, method):
    store, task = trained(method)
    scored = []

    def fake(predictor, rows, calls):
        scored.append(predict(predictor, rows, log.split["test"]))
        return {"calls": list(calls.values())}

    monkeypatch.setattr("benchmark.cost.counts.latency", fake)

    latency.measure(task)

    stored = pl.read_parquet(store.run_folder(task.config) / "predictions.parquet")
    assert scored[0].tolist() == stored.filter(split="test")["logit"].to_list()
    assert store.read_run(task.config).latency == {"calls": [1_000, 200]}


@pytest.mark.slow
def test_a_plug_in_that_cannot_score_costs_its_own_latency_alone(
    run_all, front_door, tiny_log, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    front_door("--new-method", "mine")
    head, found, tail = (tmp_path / "mine.py").read_text().rpartition("        return h * 2.0")
    assert found
    (tmp_path / "mine.py").write_text(head + FAILS + found + tail)
    words = ("--preset", "smoke", "--data", tiny_log, "--out", tmp_path / "out", "--seeds", 1)
    words += ("--plugin", tmp_path / "mine.py", "--methods", "plain", "mine", "--only", "main")

    done = run_all(*words, "--backbones", "dnn")

    assert done.returncode == 0, done.stderr
    error = "not measured: LookupError: no place for 256 rows"
    assert f"latency of tiny/place dnn+mine seed 1 {error}" in done.stdout
    found = {r.config.method: bool(r.latency) for r in records_of(tmp_path / "out").values()}
    assert found == {"plain": True, "mine": False}
