"""Models of stored runs score raw rows as the runs scored the prepared ones."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from benchmark.planning.cells import configure
from benchmark.planning.studies import Change
from benchmark.running.grid import prepare_log
from benchmark.running.network_run import run_cell
from benchmark.store.data_folder import store_data
from benchmark.store.records import WEIGHTS, RunStore
from benchmark.tasks import RunTask
from benchmark.training.kept import kept_model
from models.registry import available
from models.saved import ModelError, SavedModel
from tests.conftest import write_tiny_log


@pytest.fixture(scope="module")
def tiny(tmp_path_factory, select):
    """A prepared log, its raw rows, and the store that keeps it."""
    folder = tmp_path_factory.mktemp("kept")
    spec = write_tiny_log(folder)
    log = prepare_log(str(spec), None, folder / "cache", select())
    store = RunStore(folder / "out")
    store_data(store, log)
    return log, pl.read_csv(folder / "tiny.csv", infer_schema=False), store


@pytest.fixture(scope="module")
def run_of(tiny, select):
    """A function that trains a cell once: its configuration, and its predictions of test."""
    log, _, store = tiny
    done = {}

    def run(backbone, method, **changes):
        config = configure(select(), "tiny", log, backbone, Change(method=method, **changes))
        if config.slot_id not in done:
            run_cell(RunTask(config=config, data=log, out=store.out))
            predictions = pl.read_parquet(store.run_folder(config) / "predictions.parquet")
            done[config.slot_id] = config, predictions.filter(split="test")
        return done[config.slot_id]

    return run


@pytest.mark.parametrize("backbone", available("backbones"))
@pytest.mark.parametrize("method", available("methods"))
def test_raw_rows_of_test_get_the_stored_logits(backbone, method, tiny, run_of, tmp_path):
    _, rows, store = tiny
    config, test = run_of(backbone, method)
    kept_model(store, config).write(tmp_path / "model")

    model = SavedModel.read(tmp_path / "model")

    raw = rows[test["row_id"].to_numpy()].drop("click", "time")
    assert model.logits(raw).tolist() == test["logit"].to_list()
    parts = [model.logits(raw[start : start + 77]) for start in range(0, len(raw), 77)]
    assert np.concatenate(parts) == pytest.approx(test["logit"].to_numpy(), abs=1e-6)
    chances = 1 / (1 + np.exp(-test["logit"].cast(pl.Float64).to_numpy()))
    assert model.predict_proba(raw) == pytest.approx(chances, rel=1e-12)


def test_a_run_without_weights_is_no_model(tiny, run_of):
    _, _, store = tiny
    config, _ = run_of("dnn", "plain")
    path = store.run_folder(config) / WEIGHTS
    hidden = path.rename(path.with_suffix(".hidden"))

    with pytest.raises(ModelError, match=r"is not kept as a model: it lacks .*weights\.npz$"):
        kept_model(store, config)

    hidden.rename(path)


def test_weights_without_the_tasks_of_a_method_that_adapts_are_refused(tiny, run_of, tmp_path):
    _, _, store = tiny
    config, _ = run_of("dnn", "maml")
    model = kept_model(store, config)
    bare = {name: value for name, value in model.weights.items() if not name.startswith("adapted")}
    replace(model, weights=bare).write(tmp_path / "model")

    with pytest.raises(ModelError, match="adapts to its tasks, but the weights hold nothing"):
        SavedModel.read(tmp_path / "model")


def test_encoders_that_are_not_there_are_named(tiny, run_of):
    log, _, store = tiny
    config, _ = run_of("dnn", "plain")
    path = store.data_folder(log.fingerprint) / "encoders.json"
    content = path.read_text()
    path.unlink()

    with pytest.raises(ModelError, match=r"it lacks .*encoders\.json$"):
        kept_model(store, config)

    path.write_text(content)


def test_the_file_of_a_plugin_is_asked_for(tiny, run_of):
    _, _, store = tiny
    config, _ = run_of("dnn", "plain")
    changed = replace(config, plugins={"mine": "0" * 64})
    folder = store.run_folder(changed)
    folder.mkdir(parents=True)
    (folder / WEIGHTS).touch()

    with pytest.raises(ModelError, match=r"it lacks the file of the plug-in mine as it was"):
        kept_model(store, changed)
