from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from datasets.encoding.times import read_time, readable_time, time_keys
from datasets.profiling.timeformats import doubt_of, recognise, recognise_unnamed

START = dt.datetime(2023, 5, 1, 6)


def rising(layout, minutes=181, count=60):
    """Times of a log in order, as its program writes them."""
    times = pl.Series([START + dt.timedelta(minutes=minutes * row) for row in range(count)])
    return times.dt.strftime(layout).to_list()


def epochs(scale, ending="", minutes=181):
    seconds = [int(text) + 7 * 3_600 for text in rising("%s", minutes)]
    return [f"{second * scale}{ending}" for second in seconds]


def shuffled(values):
    return values[1::2] + values[0::2]


@pytest.mark.parametrize(
    ("name", "first", "step", "kind"),
    [
        ("time", 1_600_000_000, 5, "epoch in seconds"),
        ("time_ms", 1_600_000_000_000, 50, "epoch in milliseconds"),
        ("ts", 1_600_000_000_000_000, 50_000, "epoch in microseconds"),
        ("date", 20200101, 0.5, "digits %Y%m%d"),
        ("hour_date", 14102100, 0.4, "digits %y%m%d%H"),
        ("timestamp", 0, 40, "integers in rising order"),
        ("anything", 1_600_000_000, 0.5, "epoch in seconds"),
        ("item", 5, 1, None),
    ],
)
def test_integers_as_times(name, first, step, kind):
    found = recognise(pl.Series(name, [str(int(first + step * row)) for row in range(60)]))

    assert (found and found.kind) == kind


@pytest.mark.parametrize(
    ("texts", "layout", "alternative"),
    [
        (["2020-05-01T10:00:00Z", "2020-05-02T10:00:00Z"], None, None),
        (["01/05/2020 10:00", "31/05/2020 10:00"], "%d/%m/%Y %H:%M", None),
        (["05/01/2020 10:00", "05/31/2020 10:00"], "%m/%d/%Y %H:%M", None),
        (["01/05/2020 10:00", "02/05/2020 10:00"], "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M"),
        (
            ["06/Jan/2020:10:00:00 +0100", "06/Jan/2020:10:00:05 +0100"],
            "%d/%b/%Y:%H:%M:%S %z",
            None,
        ),
    ],
)
def test_texts_as_times(texts, layout, alternative):
    found = recognise(pl.Series("when", texts))

    assert (found.layout, found.alternative) == (layout, alternative)


def test_ids_of_the_size_of_an_epoch_are_no_time():
    assert recognise(pl.Series("item", ["1600000000", "1500000000", "1700000000"])) is None


def test_text_that_is_no_time():
    assert recognise(pl.Series("when", ["2020-05-01", "noon"])) is None


def test_readable_time():
    assert readable_time("1537236544") == "2018-09-18 02:09:04 UTC"
    assert readable_time("1537236544000") == "2018-09-18 02:09:04 UTC"
    assert readable_time("20180918") == "20180918"
    assert readable_time("2018-09-18") == "2018-09-18"


@pytest.mark.parametrize(
    ("name", "values", "kind", "layout", "guess"),
    [
        ("hour", rising("%y%m%d%H"), "digits %y%m%d%H", "%y%m%d%H", ""),  # Avazu
        ("ts", rising("%y%m%d%H%M"), "digits %y%m%d%H%M", "%y%m%d%H%M", ""),
        ("ts", rising("%Y%m%d%H%M%S%3f"), "digits %Y%m%d%H%M%S%3f", "%Y%m%d%H%M%S%3f", ""),
        ("dt", rising("%y%m%d"), "digits %y%m%d", "%y%m%d", ""),
        ("date", shuffled(rising("%Y%m%d")), "digits %Y%m%d", "%Y%m%d", "by its name"),
        ("context_timestamp", shuffled(epochs(1)), "epoch in seconds", None, "by its name"),  # IAAC
        ("timestamp", shuffled(epochs(1)), "epoch in seconds", None, "by its name"),  # MovieLens
        ("time_stamp", epochs(1), "epoch in seconds", None, ""),  # Taobao
        ("time_ms", epochs(1000), "epoch in milliseconds", None, ""),  # KuaiRand
        ("time_ms", epochs(1000, ".0"), "epoch in milliseconds", None, ""),  # with a gap once
        (
            "c6",
            [time for time in epochs(1) for _ in "ab"],
            "epoch in seconds",
            None,
            "by the order",
        ),
        ("time", epochs(1, ".0502"), "epoch in seconds", None, ""),  # time.time()
        ("ts", [f"{float(text):.9E}" for text in epochs(1)], "epoch in seconds", None, ""),  # Spark
        ("event_time", rising("%Y-%m-%d %H:%M:%S UTC"), "ISO-8601", None, ""),  # BigQuery
        ("created_at", rising("%Y-%m-%d %H:%M:%S.123+00"), "ISO-8601", None, ""),  # Postgres
        ("asctime", rising("%Y-%m-%d %H:%M:%S,123"), "ISO-8601", None, "by the order"),  # logging
        ("ds", rising("%Y-%m-%d"), "ISO-8601", None, ""),  # Hive
        ("c1", rising("%Y%m%dT%H%M%SZ"), "ISO-8601", None, "by the order"),
        ("day", rising("%d/%m/%Y"), "%d/%m/%Y", "%d/%m/%Y", ""),  # Excel, day first
        ("date", rising("%-m/%-d/%y %-H:%M"), "%m/%d/%y %H:%M", "%m/%d/%y %H:%M", ""),
        ("date", rising("%y/%m/%d"), "%y/%m/%d", "%y/%m/%d", ""),
        ("date", rising("%d-%m-%y"), "%d-%m-%y", "%d-%m-%y", ""),
        ("date", rising("%b %d, %Y"), "%b %d, %Y", "%b %d, %Y", ""),
        ("time", rising("%Y-%m-%d %I:%M %p"), "%Y-%m-%d %I:%M %p", "%Y-%m-%d %I:%M %p", ""),
        ("time", rising("%d-%b-%y %I.%M.%S.000000 %p"), *["%d-%b-%y %I.%M.%S.%f %p"] * 2, ""),
        ("ts", rising("%Y/%m/%d %H:%M:%S.250 +0000"), *["%Y/%m/%d %H:%M:%S.%f %z"] * 2, ""),
        ("time", rising("%a %b %e %H:%M:%S UTC %Y"), *["%a %b %d %H:%M:%S UTC %Y"] * 2, ""),
    ],
)
def test_times_of_real_logs(name, values, kind, layout, guess):
    found = recognise(pl.Series(name, values))

    assert (found.kind, found.layout) == (kind, layout)
    assert found.guess.startswith(guess)
    assert bool(found.guess) == bool(guess)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("I8", [f"{row % 50}.0" for row in range(300)]),  # pandas: integers with a gap
        ("I8", [f"{row // 2}.0" for row in range(300)]),
        ("session", [str(1_600_000_000 + row // 4) for row in range(300)]),
        ("gender", ["1.0", "2.0"] * 150),
        ("event_id", [str(10**18 + 7_919 * row) for row in range(300)]),
        ("id", [str(1_650_000_000_000_000_000 + row * 10**12) for row in range(300)]),  # snowflake
        ("id", [str(1_600_000_000 + row) for row in range(300)]),  # counted by a database
        ("user_id", [str(1_000_000_000 + 37 * (row // 3)) for row in range(300)]),  # sorted by user
        ("userId", [str(1_500_000_000 + row // 9) for row in range(300)]),
        ("uid", [str(20200101 + row // 99) for row in range(300)]),
        ("c2", [str(1_600_000_000 + row // 99) for row in range(300)]),  # few values
        ("item", ["1600000000", "1500000000", "1700000000"]),
        ("price", [f"{19.99 + row:.2f}" for row in range(300)]),
        ("age", [str(18 + row // 6) for row in range(300)]),
        ("phone", [str(2_125_550_000 + row // 2) for row in range(300)]),
        ("zip", [str(20_100 + row) for row in range(300)]),
        ("zip", [str(950_101 + row // 30) for row in range(300)]),
        ("birth_year", [str(1985 + row % 20) for row in range(300)]),
        ("birth_date", [f"19{85 + row % 10}-05-01" for row in range(300)]),
        ("hour", [str(row % 24) for row in range(300)]),
        ("hour", [str(row // 13) for row in range(300)]),
        ("dwell_time", [str(row * 37 % 90) for row in range(300)]),
    ],
)
def test_ids_and_attributes_are_no_times_and_raise_no_doubt(name, values):
    column = pl.Series(name, values)

    assert recognise(column) is None
    assert doubt_of(column) is None


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("c5", epochs(1), "epoch in seconds, but it has one value per row, as ids have"),
        ("c5", shuffled(rising("%Y-%m-%d %H:%M")), "ISO-8601, but neither its name nor the order"),
        ("release_date", rising("%Y-%m-%d"), "ISO-8601, but its name is that of an id, a user or"),
        ("user", rising("%b %d, %Y"), "%b %d, %Y, but its name is that of an id, a user or"),
        ("time", rising("%d.%m. %H:%M"), "a format that is not known ('01.05. 06:00')"),
        ("time", [*rising("%Y-%m-%d"), "soon"], "'soon' is no time like '2023-05-01'"),
        ("time", [*rising("%Y-%m-%d"), "1900-01-01"], "'1900-01-01' is no date of 1990 to 2050"),
        ("time", rising("%H:%M"), "a time of day without its date ('06:00')"),
        ("time", [*epochs(1), "NA"], "'NA' is no number like '1682"),
        ("c5", shuffled(epochs(1)), "epoch in seconds, but neither its name nor the order"),
        ("time", [*epochs(1), "0"], "its numbers, 0 to 1,6"),
        ("ts", shuffled([str(1_600_000_000_000 + row) for row in range(300)]), "one second"),
        ("day", [str(row // 50) for row in range(300)], "its numbers, 0 to 5, are no dates of"),
    ],
)
def test_doubts_are_told(name, values, reason):
    column = pl.Series(name, values)

    assert recognise(column) is None
    assert reason in doubt_of(column).reason


@pytest.mark.parametrize("layout", ["%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M"])
@pytest.mark.parametrize("arrange", [list, shuffled, lambda values: values[::-1]])
def test_layout_of_the_shortest_span_wins(layout, arrange):
    values = arrange(rising(layout, minutes=45, count=90))

    assert recognise(pl.Series("time", values)).layout == layout


@pytest.mark.parametrize("layout", ["%Y-%m-%d %H:%M:%S UTC", "%y%m%d%H", "%b %d, %Y"])
def test_what_is_recognised_is_prepared_exactly(layout):
    values = pl.Series("time", rising(layout))
    found = recognise(values)

    if found.layout is None:
        keys = time_keys([values], len(values), str)
    else:
        keys = pl.select(read_time(pl.lit(values), found.layout).dt.epoch("us")).to_series()
    texts = pl.Series(keys).cast(pl.Datetime("us")).dt.strftime(layout)

    assert texts.to_list() == values.to_list()


SECONDS, MILLIS = 1_573_430_000, 1_573_430_000_417
UNNAMED = {
    "one in seconds": ({"c1": (7, 9), "c2": (SECONDS, 60)}, "c2"),
    "ids as seconds and one in milliseconds": ({"c1": (10**9, 77), "c2": (MILLIS, 5_000)}, "c2"),
    "two in seconds": ({"c1": (10**9, 77), "c2": (SECONDS, 60)}, None),
    "two in milliseconds": ({"c1": (MILLIS, 99), "c2": (MILLIS, 5_000)}, None),
    "none": ({"c1": (7, 9), "c2": (0, 1)}, None),
}


@pytest.mark.parametrize(("columns", "name"), UNNAMED.values(), ids=UNNAMED)
def test_time_among_columns_without_names_is_the_only_one(columns, name):
    order = np.random.default_rng(2).permutation(500)
    series = [
        pl.Series(key, start + step * order).cast(pl.String)
        for key, (start, step) in columns.items()
    ]

    found = recognise_unnamed(series)

    assert (found and found.name) == name
    assert found is None or found.guess == "by its values, as columns have no names"
