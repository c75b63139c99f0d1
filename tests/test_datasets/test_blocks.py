from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from datasets.encoding.domains import cluster_codes
from datasets.encoding.splits import NUM_BLOCKS, time_blocks
from datasets.encoding.tokens import tokenize
from datasets.spec import DataError

START = int(dt.datetime(2024, 2, 27, 22, tzinfo=dt.UTC).timestamp())


@pytest.mark.parametrize("unit", [1, 10**3, 10**6, 10**9])
def test_ten_days_are_blocks_of_their_own(unit):
    hours = np.arange(0, 24 * 12, 5)  # a leap day is among them
    times = (START + 3_600 * hours) * unit

    blocks = time_blocks(len(times), times)

    days = [dt.datetime.fromtimestamp(START + 3_600 * int(h), tz=dt.UTC).date() for h in hours]
    assert blocks.dtype == np.int16
    assert blocks.tolist() == [sorted(set(days)).index(day) for day in days]


def test_a_day_without_rows_is_no_block():
    days = np.array([0, 1, 2, 3, 4, 20, 21, 22, 23, 24])

    assert time_blocks(10, START + 86_400 * days).tolist() == list(range(10))


@pytest.mark.parametrize(
    "times",
    [None, np.arange(107), START + 60 * np.arange(107), 20_240_101 + np.arange(107)],
    ids=["none", "order", "two hours", "digits of dates"],
)
def test_without_ten_days_blocks_are_equal_parts(times):
    blocks = time_blocks(107, times)

    sizes = np.bincount(blocks)
    assert len(sizes) == NUM_BLOCKS
    assert set(sizes) == {5, 6}
    assert (np.diff(blocks) >= 0).all()


def test_fewer_rows_than_blocks_are_a_block_each():
    assert time_blocks(3, None).tolist() == [0, 1, 2]


def test_shuffled_rows_keep_their_blocks_of_time():
    order = np.random.default_rng(0).permutation(40)

    assert time_blocks(40, order).tolist() == (order // 2).tolist()


def test_clusters_are_numbered_as_they_appear_and_a_missing_one_is_its_own():
    column = tokenize([pl.Series(["b", "", "a", "b", "", "c", "a"])], 7)

    codes = cluster_codes(column, np.array([5, 1, 0, 2, 4, 3, 6]))

    assert codes.dtype == np.int32
    assert codes.tolist() == [0, 1, 2, 3, 4, 2, 3]


def test_clusters_of_a_prepared_log_follow_its_rows(prepare_log, tiny):
    user = pl.when(pl.col("time") % 7 == 3).then(pl.lit("NA")).otherwise(pl.col("time") % 4)
    log = tiny.with_columns(user=user).sample(fraction=1.0, shuffle=True, seed=3)

    data = prepare_log(log, cluster="user", missing=["NA"])

    rows = pl.DataFrame({"user": log.sort("time")["user"], "cluster": data.clusters()})
    volumes = rows.group_by("user").agg(pl.len(), pl.col("cluster").n_unique().alias("clusters"))
    is_missing = volumes["user"] == "NA"
    assert volumes.filter(is_missing).select("len", "clusters").row(0) == (9, 9)
    assert volumes.filter(~is_missing)["clusters"].to_list() == [1] * 4
    assert rows["cluster"].n_unique() == 13
    assert (data.schema.fields, data.card["cluster"]) == (("site", "item"), "user")


def test_a_log_without_users_has_blocks_alone(prepare_log, tiny):
    data = prepare_log(tiny)

    assert data.clusters() is None
    assert data.card["cluster"] is None
    assert data.blocks().tolist() == [*(np.arange(40) // 2), *range(10), *range(10)]


def test_days_of_a_log_are_its_blocks(prepare_log, tiny):
    days = [f"2024-01-{1 + row // 3:02d} 0{row % 3}:00:00" for row in range(60)]

    data = prepare_log(tiny.with_columns(time=pl.Series(days)))

    assert data.blocks().tolist() == [*(np.arange(40) // 3), *range(10), *range(10)]


@pytest.mark.parametrize("name", ["click", "time", ""])
@pytest.mark.parametrize(("key", "whose"), [("cluster", "users"), ("item", "items")])
def test_label_and_time_are_neither_clusters_nor_items(prepare_log, tiny, name, key, whose):
    with pytest.raises(DataError, match=f"{key} '{name}' must be the column of {whose}"):
        prepare_log(tiny, **{key: name})


def test_absent_column_of_clusters_is_named(prepare_log, tiny):
    with pytest.raises(DataError, match="column 'uesr' is missing"):
        prepare_log(tiny, cluster="uesr")
