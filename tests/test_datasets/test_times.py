from __future__ import annotations

import polars as pl
import pytest

from datasets.encoding.times import time_keys
from datasets.spec import DataError


def keys_of(column, size=2):
    blocks = [column[start : start + size] for start in range(0, len(column), size)]
    return time_keys(blocks, len(column), place)


def place(row):
    return f"log.csv line {row + 2}"


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
