"""The run store: written whole, read back equal, and honest about what is missing."""

import json
import math

import numpy as np
import polars as pl
import pytest

from benchmark.store.files import SCHEMA_VERSION, RecordError, write_text, write_whole
from benchmark.store.plan import Plan, read_plan, write_plan
from benchmark.store.records import RunResult, RunStore


def make_result(**changes):
    predictions = pl.DataFrame(
        {"split": ["test"], "row_id": [3], "eval_domain_id": [0], "label": [1], "logit": [0.5]}
    )
    values = {
        "metrics": {"test": {"rows": 1, "auc": math.nan, "logloss": 0.47}},
        "training": {"best_step": 2},
        "cost": {"dense_parameters": 5},
        "history": pl.DataFrame({"step": [1], "loss": [0.7]}),
        "domains": pl.DataFrame({"eval_domain_id": [0], "auc": [math.nan]}),
        "predictions": predictions,
        "masks": {"layer0_keep_rate": np.ones((1, 2), np.float32)},
        "timing": {"train_seconds": 1.0},
        "environment": {"device": "cpu"},
    } | changes
    return RunResult(**values)


@pytest.fixture
def store(tmp_path):
    return RunStore(tmp_path)


def test_record_is_read_back_and_an_undefined_or_newer_metric_is_nan(make_config, store):
    config = make_config()

    store.write(config, make_result())
    record = store.read(store.run_folder(config))

    assert record.config.run_id == config.run_id
    assert math.isnan(record.metrics["test"]["auc"])
    assert math.isnan(record.metrics["test"]["gauc"])  # as of a metric newer than the run
    assert record.metrics["test"]["logloss"] == 0.47
    assert store.state(config) == "done"


def test_folder_is_named_by_dataset_partition_model_and_run_id(make_config, store):
    config = make_config()

    folder = store.run_folder(config).relative_to(store.out)

    assert folder.parts == ("runs", "synthetic", "scenario", "dnn+plain", config.run_id)


def test_files_of_a_run_are_those_of_the_contract(make_config, store):
    config = make_config()

    store.write(config, make_result())

    names = sorted(path.name for path in store.run_folder(config).iterdir())
    assert names == [
        "domains.parquet",
        "history.csv",
        "masks.npz",
        "predictions.parquet",
        "record.json",
    ]


@pytest.mark.parametrize(
    "name",
    [
        *("history.csv", "domains.parquet", "predictions.parquet", "masks.npz"),
        "candidates.parquet",
    ],
)
@pytest.mark.parametrize("harm", ["edit", "truncate", "delete"])
def test_a_harmed_file_makes_the_run_missing_again(make_config, store, name, harm):
    config = make_config()
    store.write(config, make_result(candidates=pl.DataFrame({"logit": [0.5]})))
    path = store.run_folder(config) / name

    content = path.read_bytes()
    path.write_bytes(content + b" " if harm == "edit" else content[: len(content) // 2])
    if harm == "delete":
        path.unlink()

    assert store.state(config) == "missing"
    with pytest.raises(RecordError, match=name):
        store.read(path.parent)


DAMAGED = ["", "{", "[]", "null", "{}", '{"schema_version": 99}']
DAMAGED += [
    f'{{"schema_version": {SCHEMA_VERSION}{rest}}}'
    for rest in ("", ', "digests": {}, "metrics": {}, "config": {"seed": 1}', ', "slots": {"a": 1}')
]


@pytest.mark.parametrize("text", DAMAGED)
def test_an_unreadable_plan_is_one_line(store, text):
    write_text(store.out / "plan.json", text)

    with pytest.raises(RecordError, match=r"plan\.json") as caught:
        read_plan(store.out)

    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("text", DAMAGED)
def test_an_unreadable_record_is_not_a_done_run(make_config, store, text):
    config = make_config()
    write_text(store.run_folder(config) / "record.json", text)

    assert store.state(config) == "missing"


def test_an_infinite_metric_is_refused(make_config, store):
    config = make_config()
    store.write(config, make_result())
    path = store.run_folder(config) / "record.json"
    content = json.loads(path.read_text())
    content["metrics"]["test"]["auc"] = math.inf
    path.write_text(json.dumps(content))

    with pytest.raises(RecordError, match="not finite"):
        store.read(path.parent)


def test_a_record_edited_by_hand_is_not_a_done_run(make_config, store):
    config = make_config()
    store.write(config, make_result())
    path = store.run_folder(config) / "record.json"
    content = json.loads(path.read_text())

    path.write_text(json.dumps(content | {"timing": {"train_seconds": 1.0}}))
    assert store.state(config) == "done"
    content["metrics"]["test"]["auc"] = 0.99
    path.write_text(json.dumps(content))

    assert store.state(config) == "missing"
    with pytest.raises(RecordError, match="changed since it was written"):
        store.read(path.parent)


def test_a_failed_run_is_failed_until_it_is_done(make_config, store):
    config = make_config()

    store.write_error(config, "NonFiniteLossError: at step 3", "Traceback ...")
    assert store.state(config) == "failed"
    assert store.read_error(config) == "NonFiniteLossError: at step 3"

    store.write(config, make_result())
    assert store.state(config) == "done"


def test_plan_names_state_and_run_of_each_slot(make_config, make_search, store):
    done, failed, missing = (make_config(seed=seed) for seed in (1, 2, 3))
    store.write(done, make_result())
    store.write_error(failed, "E: x", "")
    slots = {config.slot_id: config for config in (done, failed, missing)}

    plan = Plan(
        preset="smoke",
        slots=slots,
        studies={"main": tuple(slots)},
        searches=(make_search(),),
        waiting={missing.slot_id: ""},
    )

    write_plan(store, plan)

    content = json.loads((store.out / "plan.json").read_text())["slots"]
    assert [content[slot]["state"] for slot in slots] == ["done", "failed", "missing"]
    assert content[done.slot_id]["run_id"] == done.run_id
    assert content[missing.slot_id]["run_id"] is None
    assert read_plan(store.out) == plan


def test_write_whole_leaves_nothing_behind_when_writing_fails(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("before")

    def fail(part):
        part.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_whole(path, fail)

    assert path.read_text() == "before"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file.txt"]
