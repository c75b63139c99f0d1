"""From Python: the same runs as of the command line, and models that score raw rows."""

from __future__ import annotations

import doctest
import random

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

from benchmark import api
from benchmark.config import ConfigError
from benchmark.planning.hyperparameters import params_of
from benchmark.store.files import RecordError
from benchmark.store.plan import Plan, read_plan, write_plan
from benchmark.store.records import RunStore
from benchmark.store.trials import Tuned
from datasets.spec import DataError
from models.saved import ModelError
from tests.conftest import ROOT, write_tiny_log

SAMPLE = ROOT / "reports" / "reference"


@pytest.fixture(scope="module", autouse=True)
def _own_caches(tmp_path_factory):
    """Prepared logs and frames of these tests are in a folder of their own."""
    folder = tmp_path_factory.mktemp("caches")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(api, "PREPARED_DIR", folder / "prepared")
        patch.setattr(api, "FRAMES_DIR", folder / "frames")
        yield


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    return write_tiny_log(tmp_path_factory.mktemp("api"))


@pytest.fixture(scope="module")
def rows(spec):
    """The raw rows of the small log, in pandas."""
    return pd.read_csv(spec.with_name("tiny.csv"))


@pytest.fixture(scope="module")
def log(spec):
    return api.load(spec, preset="smoke")


@pytest.fixture(scope="module")
def model(log):
    return api.train(log, method="maml", inner_rate=0.2, dropout=0.1)


def test_a_log_says_what_it_is(log):
    assert repr(log).startswith("tiny: train 1,200 rows")
    assert log.spec.partition.columns == ("place",)
    assert log.domains["place"].sort_values().tolist() == ["0", "1", "2"]
    assert log.selection.protocol_of(log.name).name == "smoke"


def test_a_model_has_its_scores_and_values(model):
    assert set(model.metrics) == {"dev", "test"}
    assert 0.5 < model.metrics["test"]["auc"] < 1.0
    assert model.config.method_config["inner_rate"] == 0.2
    assert model.config.regularisers.dropout == 0.1
    assert repr(model).startswith("tiny dnn+maml seed 1: test AUC 0.")
    assert {"step", "split", "loss", "auc"} <= {*model.history}
    assert len(model.domains) == 3
    assert set(model.predictions["split"]) == {"dev", "test"}


def test_raw_rows_get_the_probabilities_of_the_run(model, rows):
    test = model.predictions.query("split == 'test'")
    raw = rows.iloc[test["row_id"]]

    found = model.predict_proba(raw)

    assert found == pytest.approx(1 / (1 + np.exp(-test["logit"].astype(float))), rel=1e-12)
    assert found.tolist() == model.predict_proba(pl.from_pandas(raw)).tolist()


def test_pandas_rows_of_several_types_in_a_column_are_those_of_their_texts(model, rows):
    few = rows.head(4)
    mixed = few.assign(
        item=[text if place % 2 else int(text) for place, text in enumerate(few["item"])]
    )

    assert model.predict_proba(mixed).tolist() == model.predict_proba(few).tolist()


def test_a_saved_model_scores_alike(model, log, tmp_path):
    model.save(tmp_path / "model")

    again = api.load_model(str(tmp_path / "model"))

    assert len(log.examples) == 5
    expected = model.predict_proba(log.examples)
    assert again.predict_proba(log.examples).tolist() == expected.tolist()
    with pytest.raises(ModelError, match="exists already"):
        model.save(tmp_path / "model")
    with pytest.raises(ModelError, match="no saved model"):
        api.load_model(tmp_path)


def test_a_training_leaves_the_streams_and_threads_of_its_process(log):
    def drawn():
        return random.random(), np.random.rand(), torch.rand(1).item()  # noqa: NPY002

    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(7)
    expected = drawn()
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(7)
    torch.set_num_threads(2)

    api.train(log, method="plain", seed=3)

    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)
    assert drawn() == expected


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({"method": "stars"}, r"Unknown method 'stars'\. Available: adasparse, .*, star\."),
        ({"backbone": "boosted"}, r"Unknown backbone 'boosted'\. Available: dcnv2, dnn"),
        ({"bata": 3.0}, r"unknown hyper-parameter 'bata' of dnn\+star; available: .*method\.mom"),
        (
            {"learning_rate": 0.1},
            "'learning_rate' is no .* 'smoke' of the preset has 0.001 for all",
        ),
        ({"momentum": 3.0}, "momentum"),
        ({"dropout": -1}, r"dropout must be in \[0, 1\), got -1"),
        ({"log": "tiny.toml"}, "train takes a log of `load`, got a str; load it first"),
        ({"seed": 1.5}, r"seed must be a whole number from 0 on, got 1\.5"),
        ({"dropout": 0, "regularisers.dropout": 0}, r"'regularisers\.dropout' is given twice"),
    ],
)
def test_a_training_refuses(log, words, reason):
    with pytest.raises(ConfigError, match=reason):
        api.train(**{"log": log} | words)


def test_a_name_of_two_values_is_said_in_full(make_config):
    config = make_config(backbone_config={"rank": 2}, method_config={"rank": 3})

    with pytest.raises(ConfigError, match=r"may be backbone\.rank or method\.rank; write one"):
        params_of(config, {"rank": 4})

    assert params_of(config, {"method.rank": 4}) == {"method.rank": 4}


def test_numbers_of_numpy_and_whole_ones_are_the_same_run(make_config):
    config = make_config(backbone_config={"layers": 2}, method_config={"beta": 2.0})
    given = {"dropout": 0, "layers": np.int64(3), "beta": np.float32(0.5)}

    found = params_of(config, given)

    assert list(found.values()) == [0.0, 3, 0.5]
    assert [type(value) for value in found.values()] == [float, int, float]


@pytest.mark.parametrize(
    ("words", "kind", "reason"),
    [
        (
            {"log": "kuairant"},
            DataError,
            r"unknown data set 'kuairant' \(no such file\); available: ",
        ),
        ({"log": "kuairand", "preset": "fast"}, ConfigError, "unknown preset 'fast'; available"),
        ({"log": "kuairand", "label": "click"}, DataError, "a description is of a frame"),
        ({"log": [1, 2]}, DataError, "rows must be a pandas or polars DataFrame, got a list"),
    ],
)
def test_loading_refuses(words, kind, reason):
    with pytest.raises(kind, match=reason):
        api.load(**words)


def test_the_frame_of_results_has_a_row_for_each_slot():
    frame = api.results(SAMPLE)

    plan = read_plan(SAMPLE)
    assert frame["slot_id"].tolist() == list(plan.whole.slots)
    assert set(frame["state"]) == {"done"}
    row = frame.set_index("slot_id").loc[frame["slot_id"][0]]
    record = RunStore(SAMPLE).read_run(plan.slots[frame["slot_id"][0]])
    assert row["run_id"] == record.config.run_id
    assert row["test_gauc"] == record.metrics["test"]["gauc"]
    assert row["dense_parameters"] == record.cost["dense_parameters"]
    for name, value in Tuned.of(record.config).values.items():  # noqa: PD011
        assert row[name] == (tuple(value) if isinstance(value, list) else value)
    assert (frame["changes"] == "").sum() > 20
    assert "domain-blind" in " ".join(frame["changes"])


def test_results_say_why_a_slot_has_no_run(make_config, tmp_path):
    open_, failed, waiting = (make_config(seed=seed, draw=2) for seed in (1, 2, 3))
    store = RunStore(tmp_path)
    store.write_error(failed, "it broke", "")
    slots = {config.slot_id: config for config in (open_, failed, waiting)}
    write_plan(store, Plan(preset="quick", slots=slots, waiting={waiting.slot_id: ""}))

    frame = api.results(tmp_path)

    assert frame["state"].tolist() == ["missing", "failed", "missing"]
    assert frame["reason"].tolist() == ["not run yet", "it broke", "waits for tuning"]
    assert frame["run_id"].isna().tolist() == [False, False, True]
    assert frame["method.beta"].isna().tolist() == [False, False, True]
    assert frame["draw"].tolist() == [2, 2, 2]


@pytest.mark.slow
def test_the_examples_of_the_module_are_true(monkeypatch):
    monkeypatch.chdir(ROOT)

    found = doctest.testmod(api)

    assert found.attempted > 4
    assert found.failed == 0


def test_results_of_a_folder_without_runs_say_so(tmp_path):
    with pytest.raises(RecordError, match="no runs in "):
        api.results(tmp_path)


@pytest.fixture(scope="module")
def store(run_all, spec, tmp_path_factory):
    """A store of the command line with tuned cells."""
    out = tmp_path_factory.mktemp("store")
    done = run_all(
        *("--preset", "smoke", "--data", spec, "--out", out, "--only", "main", "--seeds", 2),
        *("--backbones", "dnn", "--methods", "plain", "maml"),
    )
    assert done.returncode == 0, done.stderr
    return out


@pytest.mark.slow
@pytest.mark.parametrize("method", ["plain", "maml"])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_training_is_the_cell_of_the_command_line_bit_by_bit(store, log, method, seed):
    row = api.results(store).query("method == @method and seed == @seed").squeeze()
    values = row.filter(like=".").dropna().to_dict()

    model = api.train(log, method=method, seed=seed, **values)

    assert model.run_id == row["run_id"]
    record = RunStore(store).read_run(model.config)
    assert model.metrics == record.metrics
    stored = pl.read_parquet(record.path / "predictions.parquet")
    assert model.result.predictions.equals(stored)
    assert model.history.equals(pd.read_csv(record.path / "history.csv"))
