"""Domains of some of the partition's columns: how they are numbered, what a batch then holds."""

from __future__ import annotations

from collections import Counter

import numpy as np
import polars as pl
import pytest
import torch

from datasets.loader import EncodedRows
from datasets.spec import DataError

PARTITION = ["site", "place", "hour"]  # the order that breaks ties
NESTED = ("place", "site", "hour")  # the representative first
PAIRS = [("b", "y")] * 15 + [("b", "x")] * 10 + [("a", "y")] * 10 + [("a", "x")] * 5
UNSEEN_IN_TRAIN = [("a", "z")] * 10 + [("b", "z")] * 5 + [("b", "y")] * 5


def prepared(prepare_log, log):
    return prepare_log(
        log, partition=PARTITION, representative="place", features=[*PARTITION, "item"]
    )


@pytest.fixture
def hand_worked(prepare_log, tiny):
    """40 train rows of four pairs of site and place, and 20 rows of dev and test."""
    site, place = zip(*PAIRS, *UNSEEN_IN_TRAIN, strict=True)
    hour = (pl.col("time") % 2).cast(pl.String)
    log = tiny.with_columns(site=pl.Series(site), place=pl.Series(place), hour=hour)
    return prepared(prepare_log, log)


@pytest.fixture
def drawn(prepare_log):
    """A drawn log, in time order, whose columns have missing values; and its columns."""
    random = np.random.default_rng(11)
    values = {
        name: [f"{name}{v}" if v else None for v in random.geometric(0.3, 900) - 1]
        for name in (*PARTITION, "item")
    }
    log = pl.DataFrame({"time": np.arange(900), **values, "click": random.integers(0, 2, 900)})
    return prepared(prepare_log, log), log.fill_null("")


def coarser_ids(data, columns):
    return data.coarser_domains(columns)[data.rows()[:, -2]]  # of each row


def test_ids_are_numbered_by_train_impressions_then_in_the_partitions_order(hand_worked):
    ids = coarser_ids(hand_worked, ("place", "site"))

    expected = {("b", "y"): 1, ("a", "y"): 2, ("b", "x"): 3, ("a", "x"): 4}
    assert ids.tolist() == [expected.get(pair, 0) for pair in PAIRS + UNSEEN_IN_TRAIN]
    assert ids.dtype == np.int32


def test_first_column_alone_is_the_task(drawn):
    data, _ = drawn

    assert np.array_equal(coarser_ids(data, NESTED[:1]), data.rows()[:, -3])


@pytest.mark.parametrize("columns", [NESTED, PARTITION])
def test_all_columns_are_the_domains_in_any_order(drawn, columns):
    data, _ = drawn

    assert np.array_equal(data.coarser_domains(columns), data.domains()["domain_id"])
    assert np.array_equal(coarser_ids(data, columns), data.rows()[:, -4])


@pytest.mark.parametrize("columns", [NESTED[:1], NESTED[:2], NESTED])
def test_ids_agree_with_a_count_of_the_raw_rows(drawn, columns):
    data, log = drawn
    names = [name for name in PARTITION if name in columns]
    joint = log.select(names).rows()

    volume = Counter(joint[: len(data.split["train"])])
    ranked = sorted(volume, key=lambda value: (-volume[value], value))
    expected = {value: place for place, value in enumerate(ranked, start=1)}
    assert coarser_ids(data, columns).tolist() == [expected.get(value, 0) for value in joint]
    assert len(expected) < len(set(joint)) or len(columns) == 1


@pytest.mark.parametrize("task_from", ["coarser", "task_id"])
def test_batch_hands_out_coarser_ids_as_domain_and_as_task(drawn, task_from):
    data, _ = drawn
    lookup = data.coarser_domains(NESTED[:2])
    num_ids = int(lookup.max()) + 1
    schema = data.schema.view(domain_from="coarser", task_from=task_from, coarser=(2, num_ids))
    rows = EncodedRows(data.rows(), schema, "cpu", lookup)
    row_ids = torch.tensor([890, 0, 31, 31])

    whole = rows.range(0, 900)

    expected = coarser_ids(data, NESTED[:2])
    tasks = {"coarser": (expected, num_ids), "task_id": (data.rows()[:, -3], data.schema.num_tasks)}
    assert np.array_equal(whole.domain_id, expected)
    assert np.array_equal(whole.task_id, tasks[task_from][0])
    assert np.array_equal(whole.eval_domain_id, data.rows()[:, -2])
    assert np.array_equal(rows.batch(row_ids).domain_id, expected[row_ids])
    assert whole.domain_id.dtype == torch.int32
    assert (schema.num_domains, schema.num_tasks) == (num_ids, tasks[task_from][1])
    assert schema.num_domain_fields == 2
    assert schema.fields == data.schema.fields


@pytest.mark.parametrize("columns", [(), ("place", "item")])
def test_columns_that_are_not_of_the_partition_are_refused(hand_worked, columns):
    with pytest.raises(DataError) as caught:
        hand_worked.coarser_domains(columns)

    assert str(caught.value) == (
        "data set 'tiny': coarser domains are made of one or more of the domain columns site,"
        f" place, hour, got {list(columns)}"
    )
