"""Methods that see the joint values of the first domain columns of a log of three."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from benchmark.planning.cells import configure
from benchmark.planning.studies import Change
from benchmark.protocol import PRESETS
from benchmark.running.network_run import run_cell
from benchmark.store.records import RunStore
from benchmark.tasks import RunTask
from datasets.catalog import custom
from datasets.prepare import prepare
from datasets.spec import PrepareOptions
from models.registry import available

SMOKE = PRESETS["smoke"]


@pytest.fixture
def nested_log(tiny_log, tmp_path):
    """Domains place x item x zone, whose zone is the place by another name."""
    rows = pl.read_csv(tiny_log.parent / "tiny.csv")
    zone = "z" + pl.col("place").cast(pl.String)
    rows.with_columns(zone=zone).write_csv(tiny_log.parent / "tiny.csv")
    text = tiny_log.read_text().replace('["place"]', '["place", "item", "zone"]')
    tiny_log.write_text(text + '\n[[features]]\nname = "zone"\n')
    entry = custom.read_spec(tiny_log)
    return prepare(entry, tiny_log.parent, tmp_path / "cache", PrepareOptions())


def run(config, log, out):
    """Train a cell and return its configuration's record and the logits of test."""
    protocol = replace(config.protocol, learning_rate=0.02)
    config = replace(config, protocol=protocol)
    run_cell(RunTask(config=config, data=log, out=out, device="cpu"))
    store = RunStore(out)
    record = store.read(store.run_folder(config))
    predictions = pl.read_parquet(record.path / "predictions.parquet")
    return record, predictions["logit"].to_numpy()


@pytest.mark.parametrize("method", [name for name in available("methods") if name != "plain"])
def test_methods_train_on_the_domains_of_two_of_three_columns(nested_log, select, tmp_path, method):
    config = configure(select(), "tiny", nested_log, "dnn", Change(method=method, num_columns=2))

    record, logits = run(config, nested_log, tmp_path / "out")

    assert record.config.domain_columns == ("place", "item")
    assert record.config.task == "place+item"
    assert record.metrics["test"]["auc"] > 0.55  # of 300 rows, with a standard error of 0.03
    assert np.isfinite(logits).all()


@pytest.mark.parametrize("method", ["star", "maml"])
def test_a_column_that_splits_no_domain_changes_no_prediction(nested_log, select, tmp_path, method):
    two = Change(method=method, num_columns=2)
    whole = Change(method=method, ids="partition_as_task")

    configs = [configure(select(), "tiny", nested_log, "dnn", change) for change in (two, whole)]
    logits = [run(config, nested_log, tmp_path / "out")[1] for config in configs]

    assert configs[0].run_id != configs[1].run_id
    assert np.array_equal(*logits)
