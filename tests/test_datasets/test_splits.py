from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from datasets.encoding.splits import by_shuffle, by_time, time_keys
from datasets.spec import DataError


def keys_of(column, size=2):
    blocks = [column[start : start + size] for start in range(0, len(column), size)]
    return time_keys(blocks, len(column), place)


def place(row):
    return f"log.csv line {row + 2}"


def test_by_time_cuts_four_to_one_to_one():
    order = by_time(np.arange(12)[::-1].copy(), "log")

    assert order.order.tolist() == list(range(12))[::-1]
    assert order.ranges() == {"train": range(8), "dev": range(8, 10), "test": range(10, 12)}


def test_by_time_is_stable():
    order = by_time(np.array([2, 1, 2, 1, 3, 4]), "log")

    assert order.order.tolist() == [1, 3, 0, 2, 4, 5]


@pytest.mark.parametrize(
    ("keys", "bounds"),
    [
        ([0, 1, 2, 3, 4, 5, 6, 7, 7, 7, 8, 9], (7, 10, 12)),  # cut 8 is nearer to 7 than to 10
        ([0, 1, 2, 3, 4, 5, 5, 5, 5, 6, 7, 8], (9, 10, 12)),  # cut 8 is nearer to 9 than to 5
        ([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9], (8, 9, 12)),
    ],
)
def test_by_time_keeps_equal_timestamps_together(keys, bounds):
    assert by_time(np.array(keys), "log").bounds == bounds


def test_by_time_with_one_timestamp_is_an_error():
    with pytest.raises(DataError, match=r"split \w+ of the 4:1:1 split would be empty"):
        by_time(np.zeros(60, dtype=np.int64), "log")


def test_by_shuffle_is_seeded():
    first, again, other = (by_shuffle(60, seed, "log") for seed in (0, 0, 1))

    assert first.order.tolist() == again.order.tolist()
    assert first.order.tolist() != other.order.tolist()
    assert sorted(first.order.tolist()) == list(range(60))
    assert first.kind == "shuffle"


def test_by_shuffle_of_too_few_rows_is_an_error():
    with pytest.raises(DataError, match="has 3 rows"):
        by_shuffle(3, 0, "log")


@pytest.mark.parametrize("cap", [None, 40, 1000])
def test_keep_latest_without_need_changes_nothing(cap):
    order = by_time(np.arange(60), "log")

    assert order.keep_latest(cap).bounds == order.bounds


@pytest.mark.parametrize(
    "values",
    [
        ["10", "2", "-1"],
        ["1650000000.0", "1649999999", "1649999998."],
        ["2018-09-21", "2018-09-20", "2017-01-01"],
        ["2018-09-21T08:30:00.5", "2018-09-21T08:30:00.25", "2018-09-20T23:59:59"],
        ["2018-09-21 08:30:00", "2018-09-21", "2018-09-20T10:00"],
        ["2018-09-21T08:30:00Z", "2018-09-21T08:00:00Z", "2018-09-21T07:00:00Z"],
        ["2018-09-21T08:00:00+00:00", "2018-09-21T09:30:00+02:00", "2018-09-21T08:00:00+02:00"],
    ],
)
def test_time_keys_follow_time(values):
    keys = keys_of(pl.Series("time", values))

    assert keys.tolist() == sorted(keys.tolist(), reverse=True)
    assert len(set(keys.tolist())) == 3


@pytest.mark.parametrize(
    ("values", "line", "value"),
    [
        (["1", "2", "soon"], 4, "'soon'"),
        (["1", None, "3"], 3, "None"),
        (["2018-09-21", "21.09.2018"], 3, "'21.09.2018'"),
        (["2018-09-21", "1537236544"], 3, "'1537236544'"),
        (["1.5", "2"], 2, "'1.5'"),
        (["2", "1.5"], 3, "'1.5'"),
        ([None, "1", "2"], 2, "None"),
        ([None, None], 2, "None"),
        (["2018-09-21T08:30:00Z", "2018-09-21T08:30:00"], 3, "'2018-09-21T08:30:00'"),
        (["2018-09-21", "2018-09-21T08:30:00+02:00"], 3, "'2018-09-21T08:30:00+02:00'"),
    ],
)
def test_time_keys_name_the_unparsable_value(values, line, value):
    with pytest.raises(DataError) as caught:
        keys_of(pl.Series("time", values, dtype=pl.String))

    assert str(caught.value).startswith(
        f"log.csv line {line}: timestamp column 'time' holds {value}; allowed are integer epochs"
    )
    assert "or ISO-8601 dates and times" in str(caught.value)
    assert "say timestamp_format = " in str(caught.value)


def test_missing_first_time_does_not_decide_the_layout():
    with pytest.raises(DataError, match=r"line 2: .* holds None; .*first value is '2018-09-21'"):
        keys_of(pl.Series("time", [None, "2018-09-21", "2018-09-22"]))
