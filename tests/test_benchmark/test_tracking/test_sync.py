"""The store in an MLflow database: imported once, and followed as it grows and changes."""

import json
import logging
import math
import re
import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient

from benchmark.tracking.database import database_uri
from benchmark.tracking.tracker import Tracker

DOCS = Path(__file__).resolve().parents[3] / "docs" / "mlflow.md"
FOUND = {  # runs by the filters of the docs; no weights are kept here, so that none has won
    "tags.stage = 'cell'": 2,
    "tags.stage = 'final'": 4,
    "tags.stage = 'tune'": 2,
    "tags.cell = 'dnn+star' AND tags.stage = 'final'": 2,
    "tags.backbone = 'dnn' AND tags.method = 'star' AND tags.seed = '1'": 1,
    "tags.dataset LIKE 'synthetic%' AND tags.partition LIKE '%scenario%'": 8,
    "tags.studies LIKE '%main%'": 8,
    "tags.winner = 'true'": 0,
    "tags.run_id != '' AND tags.commit != ''": 6,
    "tags.protocol_hash != '' AND tags.data_fingerprint != ''": 8,
    'metrics."test/auc" > 0.5': 3,
}


def test_every_filter_of_the_docs_finds_its_runs(synced):
    client = MlflowClient(database_uri(synced.out))
    experiment = client.get_experiment_by_name("synthetic").experiment_id
    filters = re.findall(r"^\| `([^`]+)` \|", DOCS.read_text(encoding="utf-8"), re.MULTILINE)

    found = {text: len(client.search_runs([experiment], text)) for text in filters}

    assert found == FOUND


def test_a_run_per_cell_trial_and_seed_with_one_level_of_nesting(synced):
    runs = synced.runs()

    stages = sorted(run.data.tags["stage"] for run in runs.values())
    parents = {run.info.run_id for run in runs.values() if run.data.tags["stage"] == "cell"}

    assert stages == ["cell"] * 2 + ["final"] * 4 + ["tune"] * 2
    for run in runs.values():
        parent = run.data.tags.get("mlflow.parentRunId")
        assert (parent is None) == (run.data.tags["stage"] == "cell")
        assert parent is None or parent in parents


def test_a_final_run_has_metrics_history_params_data_set_and_files(synced):
    config = synced.config(method="star", seed=2)
    run = synced.runs()[f"final/{config.slot_id}"]

    client = MlflowClient(database_uri(synced.out))
    kept = client.get_metric_history(run.info.run_id, "dev/auc")
    curve = client.get_metric_history(run.info.run_id, "curve/dev/auc")
    files = {entry.path for entry in client.list_artifacts(run.info.run_id)}

    assert run.data.metrics["test/auc"] == pytest.approx(0.62)
    assert math.isnan(run.data.metrics["test/gauc"])
    assert [(point.step, point.value) for point in kept] == [(0, pytest.approx(0.72))]
    assert sorted((point.step, point.value) for point in curve) == [
        (10, pytest.approx(0.55)),
        (20, pytest.approx(0.72)),
    ]
    assert run.data.params["method.beta"] == "2.0"
    assert run.data.params["protocol.hidden_dims"] == "64,32,16"
    assert run.inputs.dataset_inputs[0].dataset.digest == config.data_fingerprint[:36]
    assert files == {"record.json", "history.csv", "domains.parquet", "predictions.parquet"}
    assert (run.info.status, run.info.end_time - run.info.start_time) == ("FINISHED", 3000)


def test_runs_are_renamed_when_a_data_set_has_cells_on_other_domains(synced):
    ids = synced.ids()
    other = synced.final("plain", 1, partition=("scenario", "item"))

    Tracker(synced.out, None).sync(synced.plan(slots={**synced.made.slots, other.slot_id: other}))

    runs = {run.info.run_id: run.info.run_name for run in synced.runs().values()}
    slot = synced.config(method="star", seed=2).slot_id
    assert runs[ids[f"final/{slot}"]] == "dnn+star, scenario, seed 2"
    assert len(set(runs.values())) == len(runs)


def test_an_experiment_says_what_its_log_is_and_how_its_runs_are_named(synced):
    config = synced.config(method="plain", seed=1)
    folder = synced.store.data_folder(config.data_fingerprint)
    folder.mkdir(parents=True)
    (folder / "card.json").write_text('{"source": "Impressions of one shop."}')

    Tracker(synced.out, None).sync(synced.made)

    experiment = MlflowClient(database_uri(synced.out)).get_experiment_by_name("synthetic")
    note = experiment.tags["mlflow.note.content"]
    assert note.startswith("Impressions of one shop.\n\nA run is a cell")


def test_a_failed_trial_is_a_failed_run_that_says_why(synced):
    run = synced.runs()[f"tune/{synced.search().folder}/001"]

    assert run.info.status == "FAILED"
    assert run.data.tags["error"] == "NonFiniteLossError: at step 3"


def test_artifacts_take_no_space_of_their_own(synced):
    stored = synced.store.run_folder(synced.config(method="star", seed=2)) / "predictions.parquet"

    copies = list((synced.out / "mlartifacts").rglob("predictions.parquet"))

    assert any(copy.samefile(stored) for copy in copies)


def test_more_seeds_are_more_children_and_new_means(synced):
    ids = synced.ids()
    for method in ("plain", "star"):
        synced.final(method, 3)

    Tracker(synced.out, None).sync(synced.plan(seeds=(1, 2, 3)))

    runs = synced.runs()
    assert len(runs) == len(ids) + 2
    assert ids.items() <= {key: run.info.run_id for key, run in runs.items()}.items()
    plain = next(run for run in runs.values() if run.info.run_name == "dnn+plain")
    assert plain.data.metrics["test/auc/mean"] == pytest.approx(0.52)
    assert plain.data.metrics["seeds"] == 3


def test_a_run_that_changed_replaces_the_former_one_alone(synced):
    ids = synced.ids()
    config = synced.config(method="plain", seed=1)
    synced.store.write(config, synced.result(0.8))

    Tracker(synced.out, None).sync(synced.made)

    key, after = f"final/{config.slot_id}", synced.ids()
    assert {name for name in ids if ids[name] != after[name]} == {key}
    assert synced.runs()[key].data.metrics["test/auc"] == pytest.approx(0.7)


def test_a_latency_that_was_measured_later_joins_its_run(synced):
    ids, config = synced.ids(), synced.config(method="star", seed=1)
    client = MlflowClient(database_uri(synced.out))
    for milliseconds in (0.25, 0.5):
        synced.store.write_latency(config, {"latency": milliseconds}, {"device": "cpu"})

        Tracker(synced.out, None).sync(synced.made)

        assert synced.ids() == ids
        folder = client.download_artifacts(ids[f"final/{config.slot_id}"], "")
        kept = json.loads((Path(folder) / "latency.json").read_text())
        assert kept["timing"] == {"latency": milliseconds}


def test_a_run_that_a_killed_import_left_unfinished_is_made_anew(synced):
    before = synced.content()
    key = f"final/{synced.config(method='plain', seed=1).slot_id}"
    MlflowClient(database_uri(synced.out)).update_run(synced.ids()[key], status="RUNNING")

    Tracker(synced.out, None).sync(synced.made)

    assert synced.content() == before


def test_new_studies_are_put_on_runs_that_are_there(synced):
    ids = synced.ids()
    slot = synced.config(method="plain", seed=1).slot_id
    plan = synced.plan(studies={"controls": (slot,)})

    Tracker(synced.out, None).sync(plan)

    assert synced.ids() == ids
    assert synced.runs()[f"final/{slot}"].data.tags["studies"] == "controls,main"


def test_the_report_is_a_run_of_its_own_and_renewed(synced):
    page = synced.out / "report" / "index.html"
    page.parent.mkdir()
    for text in ("first", "second"):
        page.unlink(missing_ok=True)
        page.write_text(text)
        Tracker(synced.out, None).sync(synced.made)

    run = synced.runs()["report"]
    folder = MlflowClient(database_uri(synced.out)).download_artifacts(run.info.run_id, "")
    assert (Path(folder) / "index.html").read_text() == "second"


def test_a_new_run_whose_file_was_changed_is_left_out_and_named(synced, caplog):
    config = synced.final("plain", 3)
    (synced.store.run_folder(config) / "history.csv").write_text("changed")

    with caplog.at_level(logging.WARNING):
        Tracker(synced.out, None).sync(synced.plan(seeds=(1, 2, 3)))

    assert f"final/{config.slot_id}" not in synced.ids()
    assert "history.csv: missing or changed" in caplog.text


def test_names_that_mlflow_refuses_are_made_ones_that_it_takes(synced):
    config = synced.config(method="plain", seed=1)
    result = synced.result(0.6, metrics={"dev": {"auc": 0.6}, "test": {"hits@[1,2]=": 0.5}})
    synced.store.write(config, result)

    Tracker(synced.out, None).sync(synced.made)

    run = synced.runs()[f"final/{config.slot_id}"]
    assert run.data.metrics["test/hits__1_2__"] == 0.5


def test_a_folder_without_runs_has_nothing_to_browse(world, empty_database):
    plan = world.plan()
    shutil.copy(empty_database, world.out)

    assert Tracker(world.out, None).finish(plan) == ""
