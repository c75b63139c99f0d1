"""Methods that see the joint values of the first domain columns of a log of three."""

import numpy as np
import polars as pl
import pytest

from benchmark.planning.studies import Change
from datasets.catalog import custom
from datasets.prepare import prepare
from datasets.spec import PrepareOptions
from models.registry import available


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


def logits_of(record):
    return pl.read_parquet(record.path / "predictions.parquet")["logit"].to_numpy()


@pytest.mark.parametrize("method", [name for name in available("methods") if name != "plain"])
def test_methods_train_on_the_domains_of_two_of_three_columns(nested_log, train, method):
    record = train(nested_log, Change(method=method, num_columns=2), learning_rate=0.02)

    assert record.config.domain_columns == ("place", "item")
    assert record.config.task == "place+item"
    assert record.metrics["test"]["auc"] > 0.55  # of 300 rows, with a standard error of 0.03
    assert np.isfinite(logits_of(record)).all()


@pytest.mark.parametrize("method", ["star", "maml"])
def test_a_column_that_splits_no_domain_changes_no_prediction(nested_log, train, method):
    two = Change(method=method, num_columns=2)
    whole = Change(method=method, ids="partition_as_task")

    records = [train(nested_log, change, learning_rate=0.02) for change in (two, whole)]

    assert records[0].config.run_id != records[1].config.run_id
    assert np.array_equal(*map(logits_of, records))
