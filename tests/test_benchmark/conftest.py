"""What the tests of this folder share."""

from dataclasses import replace

import pytest

from benchmark.config import Regularisers, RunConfig
from benchmark.planning.cells import configure
from benchmark.planning.selection import Selection
from benchmark.planning.studies import studies_named
from benchmark.protocol import COMPACT, PRESETS
from benchmark.running.grid import prepare_log
from benchmark.running.local import attempt, work
from benchmark.running.network_run import run_cell
from benchmark.store.records import RunStore
from benchmark.tasks import Compute, RunTask
from benchmark.training import adam
from datasets.spec import VARIANTS

SMOKE = PRESETS["smoke"]
WHOLE = replace(SMOKE, max_changes=None, num_worlds=5)  # all cells of every study


@pytest.fixture
def make_config():
    """A function that makes a run configuration, any field of which can be changed."""

    def make(**changes):
        values = {
            "dataset": "synthetic",
            "data_fingerprint": "f" * 12,
            "split": "time",
            "features": ("scenario", "item"),
            "partition": ("scenario",),
            "task": "scenario",
            "protocol": COMPACT,
            "backbone": "dnn",
            "method": "plain",
            "seed": 1,
            "embedding_optimizer": "sparse",
            "backbone_config": {},
            "method_config": {"beta": 2.0, "sparsity_bounds": [0.15, 0.25]},
            "regularisers": Regularisers(),
        } | changes
        return RunConfig(**values)

    return make


@pytest.fixture
def log(tiny_log, tmp_path, select):
    """A log of 60 domains, place x item, whose representative is not the first column."""
    partition = 'partition = ["place", "item"]\nrepresentative = "item"'
    text = tiny_log.read_text().replace('partition = ["place"]', partition)
    tiny_log.write_text(text)
    return prepare_log(str(tiny_log), None, tmp_path / "cache", select())


@pytest.fixture(scope="session")
def with_variants():
    """A function that adds stand-ins for the split variants of prepared logs, by their words."""

    def add(logs):
        variants = {
            f"{word}, {name}": replace(
                log, fingerprint=f"{word} {name}", card=log.card | {"split_kind": name}
            )
            for word, log in logs.items()
            for name in VARIANTS
        }
        return {**logs, **variants}

    return add


@pytest.fixture
def logs(log, with_variants):
    """The log by its word, and its split variants."""
    return with_variants({"tiny": log})


@pytest.fixture(scope="session")
def select():
    """A function that makes a selection, any field of which can be changed."""

    def make(**changes):
        values = {
            "preset": WHOLE,
            "studies": studies_named([], ["tiny"]),
            "data": ("tiny",),
            "world_rows": SMOKE.world_rows,
            "backbones": ("dnn", "dcnv2"),
            "methods": ("adasparse", "plain"),
            "num_trials": 2,
            "num_seeds": 2,
            "embedding_optimizer": "sparse",
        } | changes
        return Selection(**values)

    return make


@pytest.fixture
def train(select, tmp_path):
    """A function that trains one cell of the DNN, with changes of its protocol: its record."""

    def run(log, change, *, compute=Compute(), **protocol):
        config = configure(select(), "tiny", log, "dnn", change)
        config = replace(config, protocol=replace(config.protocol, **protocol))
        store = RunStore(tmp_path / "out")
        run_cell(RunTask(config=config, data=log, out=store.out, compute=compute))
        return store.read_run(config)

    return run


@pytest.fixture
def in_process():
    """An executor that starts no process."""

    def execute(agenda):
        while task := agenda.take():
            outcome = attempt(task, work)
            agenda.settle(outcome)
            yield outcome

    return execute


@pytest.fixture
def no_epsilon(monkeypatch):
    """Adam whose epsilon makes no difference wherever it is added."""
    monkeypatch.setattr(adam, "EPSILON", 1e-30)
    adam.missed.cache_clear()
    yield
    adam.missed.cache_clear()
