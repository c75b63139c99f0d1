"""Which ids a batch holds as domain and as task, and which field comes first."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch

from datasets.loader import EncodedRows
from datasets.spec import DataError, DomainPartition, PrepareOptions

FEATURES = ["site", "item", "place"]


@pytest.fixture
def log(prepare_log, tiny):
    """Domains site x place, whose representative is the second column."""
    wide = tiny.with_columns(place=(pl.col("time") % 7).cast(pl.String))
    return prepare_log(wide, features=FEATURES, partition=["site", "place"], representative="place")


def test_representative_is_the_first_field_and_the_partition_keeps_its_order(log):
    assert log.schema.fields == ("place", "site", "item")
    assert log.schema.num_domain_fields == 2
    assert log.spec.partition.columns == ("site", "place")
    assert log.spec.domain_columns == ("place", "site")
    assert log.domains().columns[2:4] == ["site", "place"]
    assert np.array_equal(log.rows()[:, log.schema.fields.index("place")], log.rows()[:, -3])


def test_order_of_the_fields_does_not_renumber_the_domains(log, prepare_log, tiny):
    wide = tiny.with_columns(place=(pl.col("time") % 7).cast(pl.String))

    other = prepare_log(
        wide, name="other", features=FEATURES, partition=["site", "place"], representative="site"
    )

    assert other.domains().equals(log.domains())
    for column in (-4, -2):  # domain and evaluation domain
        assert np.array_equal(other.rows()[:, column], log.rows()[:, column])


@pytest.mark.parametrize("domain_from", ["domain_id", "task_id"])
@pytest.mark.parametrize("task_from", ["domain_id", "task_id"])
def test_view_hands_out_the_chosen_ids(log, domain_from, task_from):
    schema = log.schema.view(domain_from=domain_from, task_from=task_from)
    columns = {"domain_id": log.rows()[:, -4], "task_id": log.rows()[:, -3]}
    sizes = {"domain_id": log.schema.num_domains, "task_id": log.schema.num_tasks}

    batch = EncodedRows(log.rows(), schema).batch(torch.tensor([7, 0, 31]))

    assert np.array_equal(batch.domain_id, columns[domain_from][[7, 0, 31]])
    assert np.array_equal(batch.task_id, columns[task_from][[7, 0, 31]])
    assert np.array_equal(batch.eval_domain_id, log.rows()[[7, 0, 31], -2])
    assert np.array_equal(batch.codes, log.rows()[[7, 0, 31], :3])
    assert (schema.num_domains, schema.num_tasks) == (sizes[domain_from], sizes[task_from])
    assert schema.num_domain_fields == (2 if domain_from == "domain_id" else 1)
    assert schema.fields == log.schema.fields


def test_one_single_domain_in_train_is_refused(prepare_log, tiny, tmp_path):
    log = tiny.with_columns(site=pl.when(pl.col("time") < 40).then(pl.lit("a")).otherwise("site"))

    with pytest.raises(DataError) as caught:
        prepare_log(log)

    assert str(caught.value) == (
        f"{tmp_path / 'log.toml'}: data set 'tiny': the domain columns site make one single domain"
        " of the 40 rows of train (site = 'a'); two or more domains are needed there; name other"
        " domain columns or use more rows"
    )


@pytest.mark.parametrize("column", ["click", "time", "nowhere", "price"])
def test_domain_column_that_is_no_categorical_feature_is_refused(prepare_log, tiny, column):
    features = ["site", "item", {"name": "price", "kind": "numeric"}]
    log = tiny.with_columns(price=pl.col("time"))

    with pytest.raises(DataError, match=f"domain column '{column}' is not a categorical feature"):
        prepare_log(log, features=features, partition=["site", column])


def test_other_partition_puts_its_representative_first(prepare_log, tiny):
    options = PrepareOptions(partition=DomainPartition(("item", "site")))

    data = prepare_log(tiny, options=options, representative="site")

    assert data.schema.fields == ("site", "item")
