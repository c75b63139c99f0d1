"""A small store of two cells and a search, made without training."""

import shutil
from dataclasses import replace

import polars as pl
import pytest
from mlflow import MlflowClient

from benchmark.store.plan import Plan, Search, read_former, write_plan
from benchmark.store.records import RunResult, RunStore
from benchmark.store.trials import Trial, write_trial
from benchmark.tracking.database import DATABASE, database_uri, ensure_database
from benchmark.tracking.tracker import Tracker

DEV_AUC = {"plain": 0.60, "star": 0.70}  # of seed 1; each further seed has 0.02 more


class World:
    """Writes runs and trials of data set `synthetic` as the grid does."""

    def __init__(self, out, make_config):
        self.store = RunStore(out)
        self.out = out
        self.make_config = make_config

    def config(self, **changes):
        return self.make_config(**{"data_fingerprint": "f" * 64} | changes)

    def final(self, method, seed, **changes):
        """A finished run whose test AUC is its dev AUC less 0.1."""
        config = self.config(method=method, seed=seed, **changes)
        auc = DEV_AUC[method] + 0.02 * (seed - 1)
        self.store.write(config, self.result(auc))
        return config

    def result(self, auc, **changes):
        values = {
            "metrics": {"dev": {"auc": auc}, "test": {"auc": auc - 0.1, "gauc": float("nan")}},
            "training": {"best_step": 20},
            "cost": {},
            "history": pl.DataFrame(
                {
                    "step": [10, 10, 20, 20],
                    "epoch": [0.5, 0.5, 1.0, 1.0],
                    "split": ["train", "dev"] * 2,
                    "loss": [0.7, 0.69, 0.6, 0.65],
                    "auc": [None, 0.55, None, auc],
                    "alpha": [0.1, 0.1, 0.2, 0.2],
                }
            ),
            "domains": pl.DataFrame({"eval_domain_id": [0], "auc": [auc]}),
            "predictions": pl.DataFrame({"split": ["dev"], "row_id": [0], "logit": [0.5]}),
            "masks": {},
            "timing": {
                "started": "2026-01-02T03:04:05+00:00",
                "train_seconds": 2.0,
                "evaluate_seconds": 1.0,
            },
            "environment": {"commit": "c0ffee"},
        }
        return RunResult(**values | changes)

    def trial(self, index, value, *, folder=None, **changes):
        """A trial of the search of STAR, failed if it has no value."""
        trial = Trial(
            index=index,
            config=self.config(method="star", seed=0, method_config={"rate": index}),
            params={"method.rate": index},
            state="failed" if value is None else "complete",
            value=value,
            error="NonFiniteLossError: at step 3" if value is None else "",
            epochs=3.0,
            row_passes=300.0,
            seconds=1.5,
            environment={"commit": "c0ffee"},
        )
        write_trial(self.out / (folder or self.search().folder), replace(trial, **changes))

    def search(self, **changes):
        config = self.config(method="star")
        search = Search(
            dataset=config.dataset,
            draw=config.draw,
            partition="scenario",
            backbone="dnn",
            method="star",
            num_trials=2,
            own_dimensions=("method.rate",),
            shared_dimensions=(),
            folder="tuning/synthetic/scenario/dnn+star/aaaa",
        )
        return replace(search, **changes)

    def plan(self, seeds=(1, 2), **changes):
        """The plan of a call, of both methods, which knows the former calls; written too."""
        configs = [self.config(method=m, seed=s) for s in seeds for m in DEV_AUC]
        slots = {config.slot_id: config for config in configs}
        values = {"preset": "smoke", "slots": slots, "searches": (self.search(),)}
        values |= {"studies": {"main": tuple(slots)}, "former": read_former(self.out)}
        plan = Plan(**values | changes)
        write_plan(self.store, plan)
        return plan

    def runs(self):
        """All runs in the database, by key."""
        client = MlflowClient(database_uri(self.out))
        experiment = client.get_experiment_by_name("synthetic")
        return {run.data.tags["key"]: run for run in client.search_runs([experiment.experiment_id])}

    def ids(self):
        """MLflow's names of the runs."""
        return {key: run.info.run_id for key, run in self.runs().items()}

    def content(self):
        """What the database says of each run, without its ids and the moments of its import."""
        runs = self.runs()
        names = {run.info.run_id: key for key, run in runs.items()}
        contents = {}
        for key, run in runs.items():
            tags = dict(run.data.tags)
            parent = names.get(tags.pop("mlflow.parentRunId", None))
            tags.pop("mlflow.log-model.history", None)
            metrics = {name: repr(value) for name, value in run.data.metrics.items()}
            times = (run.info.status, run.info.start_time, run.info.end_time, run.info.run_name)
            contents[key] = (parent, tags, metrics, dict(run.data.params), times)
        return contents


@pytest.fixture
def world(tmp_path, make_config):
    """An empty store."""
    return World(tmp_path / "out", make_config)


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory):
    """A database as `ensure_database` makes it, which takes seconds."""
    out = tmp_path_factory.mktemp("empty")
    ensure_database(out)
    return out / DATABASE


@pytest.fixture
def synced(grid, empty_database):
    """A grid that has been imported."""
    shutil.copy(empty_database, grid.out)
    grid.made = grid.plan()
    Tracker(grid.out, None).sync(grid.made)
    return grid


@pytest.fixture
def grid(world):
    """Two cells of two seeds, and a search of two trials of which the second failed."""
    for method in DEV_AUC:
        for seed in (1, 2):
            world.final(method, seed)
    world.trial(0, 0.66)
    world.trial(1, None)
    return world
