from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from datasets.encoding.times import (
    NAIVE_FORMATS,
    ZONED_FORMATS,
    epoch_unit,
    layouts_of,
    read_time,
    time_keys,
)
from datasets.profiling.timeformats import DIGITS, FORMATS
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
        (["1682920800.5", "1682920801", "soon"], 4, "'soon'"),
        (["1682920800", "1682920801.5", "7"], 4, "'7'"),
        (["7", "1682920801.5"], 3, "'1682920801.5'"),
        (["2018-09-21 08:30:00 PST"], 2, "'2018-09-21 08:30:00 PST'"),
        (["2018-09-21 08:30:00 UTC", "2018-09-21 08:30:00 CET"], 3, "'2018-09-21 08:30:00 CET'"),
        (["18-09-21"], 2, "'18-09-21'"),
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
        f"log.csv line {line}: timestamp column 'time' holds {value}; allowed are epochs"
    )
    assert "or ISO-8601 dates and times" in str(caught.value)
    assert "say timestamp_format = " in str(caught.value)


def test_missing_first_time_does_not_decide_the_layout():
    with pytest.raises(DataError, match=r"line 2: .* holds None; .*first value is '2018-09-21'"):
        keys_of(pl.Series("time", [None, "2018-09-21", "2018-09-22"]))


AT_SIX = int(dt.datetime(2023, 5, 1, 6, tzinfo=dt.UTC).timestamp())


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2023-05-01 06:00:00 UTC", AT_SIX),
        ("2023-05-01 06:00:00.250 UTC", AT_SIX + 0.25),
        ("2023-05-01T06:00:00 GMT", AT_SIX),
        ("2023-05-01 06:00:00+00", AT_SIX),
        ("2023-05-01 06:00:00.5+0000", AT_SIX + 0.5),
        ("2023-05-01 08:00:00 +0200", AT_SIX),
        ("2023-05-01 01:00:00-05", AT_SIX),
        ("2023-05-01T11:30+05:30", AT_SIX),
        ("2023-05-01T14:00:00.5+08:00[Asia/Shanghai]", AT_SIX + 0.5),
        ("2023-05-01 06:00Z", AT_SIX),
        ("2023-05-01 06:00:00Z", AT_SIX),
        ("20230501T060000Z", AT_SIX),
        ("20230501T060000.125", AT_SIX + 0.125),
        ("2023-05-01 06:00:00,123", AT_SIX + 0.123),
        ("2023-05-01 06:00:00.0", AT_SIX),
    ],
)
def test_times_are_read_exactly_without_a_format(text, seconds):
    assert keys_of(pl.Series("time", [text])).tolist() == [round(seconds * 10**6)]


@pytest.mark.parametrize(
    ("text", "layout", "seconds"),
    [
        ("01/05/23 06:00", "%d/%m/%y %H:%M", AT_SIX),
        ("2023-05-01 06:00:00 PM", "%Y-%m-%d %I:%M:%S %p", AT_SIX + 43_200),
        ("5/1/2023 12:15 AM", "%m/%d/%Y %I:%M %p", AT_SIX - 20_700),
        ("01-05-2023 06:00:00", "%d-%m-%Y %H:%M:%S", AT_SIX),
        ("May 1, 2023", "%b %d, %Y", AT_SIX - 21_600),
        ("23050106", "%y%m%d%H", AT_SIX),
        ("20230501060000250", "%Y%m%d%H%M%S%3f", AT_SIX + 0.25),
        ("01/05/2023 06:00:00.25", "%d/%m/%Y %H:%M:%S.%f", AT_SIX + 0.25),
        ("01/05/2023 08:00+02", "%d/%m/%Y %H:%M%z", AT_SIX),
        ("01/05/2023 06:00Z", "%d/%m/%Y %H:%M%z", AT_SIX),
        ("01/05/2023 06:00 UTC", "%d/%m/%Y %H:%M %Z", AT_SIX),
        ("01/05/2023 06:00 PST", "%d/%m/%Y %H:%M %Z", None),
        ("01/05/23 06:00", "%d/%m/%Y %H:%M", None),
        ("01/05/2023 06:00", "%d/%m/%y %H:%M", None),
    ],
)
def test_times_are_read_exactly_by_their_format(text, layout, seconds):
    found = pl.select(read_time(pl.lit(text), layout).dt.epoch("us")).item()

    assert found == (seconds and round(seconds * 10**6))


@pytest.mark.parametrize(
    ("values", "keys", "unit"),
    [
        (["1682920800.050", "1682920800.25"], [1682920800050000, 1682920800250000], "microseconds"),
        (["1682920800", "1682920801", "1682920801.5"], None, "microseconds"),
        (["1682920800000.5"], [1682920800000500000], "nanoseconds"),
        (["1.68292080025E9"], [1682920800250000], "microseconds"),
        (["1.6829208E9", "1.682920801E9"], [1682920800, 1682920801], "seconds"),
        (["1.6829208e+18"], [1682920800000000000], "nanoseconds"),
        (["1682920800000000.0"], [1682920800000000], "microseconds"),
    ],
)
def test_epochs_are_read_exactly_however_they_are_written(values, keys, unit):
    column = pl.Series("time", values)
    found = keys_of(column).tolist()

    assert keys is None or found == keys
    assert found == sorted(found)
    assert epoch_unit(found[0], found[-1]) == unit


LAYOUTS = list(dict.fromkeys((*NAIVE_FORMATS, *ZONED_FORMATS, *FORMATS, *DIGITS)))
MOMENT = dt.datetime(2021, 3, 4, 5, 6, 7, 123456, tzinfo=dt.UTC)
WRITTEN = {MOMENT.strftime(layout.replace("%#z", "%z").replace("%:z", "%z")) for layout in LAYOUTS}


FURTHER = ["20210304050607123", "2021-3-4 5:06", "04Mar2021", "soon", ""]


@pytest.mark.parametrize("text", [*sorted(WRITTEN)[::8], *FURTHER])
def test_layouts_that_are_not_tried_would_not_read_the_text(text):
    column = pl.lit(pl.Series([text]))
    reads = [pl.select(read_time(column, one)).to_series().null_count() == 0 for one in LAYOUTS]

    assert layouts_of(text, LAYOUTS) == [
        one for one, is_read in zip(LAYOUTS, reads, strict=True) if is_read
    ]
