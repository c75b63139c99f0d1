"""Trials train on train, are judged on dev, and cannot see test."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from benchmark.config import REFERENCE, ConfigError
from benchmark.planning.cells import configure
from benchmark.planning.studies import Change
from benchmark.running.local import work
from benchmark.store.files import RecordError
from benchmark.store.records import RunStore
from benchmark.store.trials import read_trial, trial_path
from benchmark.tasks import RunTask, TrialTask

MODELS = [("dnn", "plain"), ("dnn", "maml"), ("boosted_trees", REFERENCE)]


@pytest.fixture
def task(log, select, tmp_path):
    """A function that makes a trial of a model on the small log."""

    def make(backbone="dnn", method="plain", *, data=log, folder="t", **protocol):
        config = configure(select(), "tiny", log, backbone, Change(method=method))
        config = replace(config, seed=0, protocol=replace(config.protocol, **protocol))
        return TrialTask(
            index=3,
            params={"regularisers.dropout": 0.0},
            config=config,
            folder=folder,
            data=data,
            out=tmp_path / "out",
        )

    return make


@pytest.fixture
def garbled(log, tmp_path):
    """The same log with other labels, codes and domains in its test rows."""
    folder = tmp_path / "garbled"
    shutil.copytree(log.directory, folder)
    rows = np.load(folder / "rows.npy")
    test = log.split["test"]
    rows[test.start :] = np.random.default_rng(3).permuted(rows[test.start :], axis=0)
    rows[test.start :, -1] = 1 - rows[test.start :, -1]
    np.save(folder / "rows.npy", rows)
    return replace(log, directory=folder)


@pytest.mark.parametrize(("backbone", "method"), MODELS)
def test_other_test_rows_change_no_trial(task, garbled, backbone, method):
    original, other = task(backbone, method), task(backbone, method, data=garbled, folder="g")

    work(original)
    work(other)

    values = [read_trial(t.out / t.folder, t.index).value for t in (original, other)]
    assert values[0] == values[1]


@pytest.mark.parametrize(("backbone", "method"), MODELS)
@pytest.mark.parametrize("metric", ["auc", "gauc"])
def test_value_is_the_dev_metric_of_the_protocol(task, backbone, method, metric):
    trial = task(backbone, method, selection_metric=metric)
    cell = RunTask(config=trial.config, data=trial.data, out=trial.out)

    work(trial)
    work(cell)

    value = read_trial(trial.out / trial.folder, 3).value
    store = RunStore(cell.out)
    dev = store.read(store.run_folder(cell.config)).metrics["dev"]
    assert value == pytest.approx(dev[metric], abs=1e-12)
    assert dev["auc"] != dev["gauc"]


def test_maml_counts_the_passes_of_its_inner_steps(task):
    trial = task("dnn", "maml")
    config = trial.config
    many = replace(config, method_config={**config.method_config, "inner_steps": 3})

    work(trial)
    work(replace(trial, config=many, folder="many"))

    once, thrice = (read_trial(trial.out / folder, 3) for folder in ("t", "many"))
    assert once.row_passes == 2 * once.sample_visits
    assert thrice.row_passes == 4 * thrice.sample_visits


def test_rows_in_the_loss_are_counted(task):
    plain, maml = task("dnn", "plain"), task("dnn", "maml")
    config = maml.config
    query = replace(config, method_config={**config.method_config, "outer": "query"})

    work(plain)
    work(replace(maml, folder="maml"))
    work(replace(maml, config=query, folder="query"))

    once, both, half = (read_trial(maml.out / folder, 3) for folder in ("t", "maml", "query"))
    per_step = both.sample_visits / both.optimizer_steps
    assert per_step == once.sample_visits / once.optimizer_steps
    assert 0 <= 2 * half.sample_visits - per_step * half.optimizer_steps <= half.optimizer_steps


def test_an_edited_or_absent_trial_is_refused(task):
    trial = task()
    work(trial)
    path = trial_path(trial.out / trial.folder, 3)

    path.write_text(path.read_text().replace('"state": "complete"', '"state": "failed"'))

    with pytest.raises(RecordError, match="changed since it was written"):
        read_trial(path.parent, 3)
    with pytest.raises(RecordError, match="cannot be read"):
        read_trial(path.parent, 4)


def test_a_value_that_the_method_refuses_names_the_cell(task):
    from benchmark.planning.hyperparameters import with_params

    config = task("dnn", "maml").config

    with pytest.raises(ConfigError, match=r"dnn\+maml seed 0: inner_steps must be at least 1"):
        with_params(config, {"method.inner_steps": 0})
