"""Reads times of text: epochs, ISO-8601, and the formats that a TOML file may give."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from functools import cache, partial
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from datasets.spec import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

NAIVE_FORMATS = (
    "%Y-%m-%d",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M",
    "%Y%m%dT%H%M%S%.f",
)
ZONED_FORMATS = tuple(f"{layout}%#z" for layout in NAIVE_FORMATS[1:])  # Z, +02, +0200, +02:00
MILLION = 10**6
DECIMAL = pl.Decimal(38, 6)
UNITS = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
EARLIEST, LATEST = (
    int(dt.datetime(year, 1, 1, tzinfo=dt.UTC).timestamp()) for year in (1990, 2050)
)


def time_keys(
    column: Iterable[pl.Series], num_rows: int, locate: Callable[[int], str]
) -> np.ndarray:
    """Sortable integers of a text column of epochs or ISO-8601 dates and times.

    The first value that is not missing decides which of the two the column holds, and whether its
    times have a zone. Integers may be written as floats, such as `1537236544.0`; seconds or
    milliseconds with a fraction count in millionths. The column comes in blocks.

    Raises:
        DataError: a value is missing, is neither, or is unlike the first one.
    """
    found = np.empty(num_rows, dtype=np.int64)
    start, first, reader = 0, None, _integers
    for block in column:
        if first is None:
            first = block.drop_nulls().head(1)
            reader = next((reader for reader in READERS if reader(first).count()), _integers)
        keys = reader(block)
        if reader is _integers and keys.null_count() and _is_epoch(pl.Series(found[:start])).all():
            finer = _millionths(block)
            if finer.null_count() < keys.null_count():
                reader, keys = _millionths, finer
                found[:start] *= MILLION
        if keys.null_count():
            row = int(keys.is_null().arg_max() or 0)
            raise DataError(
                f"{locate(start + row)}: timestamp column {block.name!r} holds {block[row]!r};"
                " allowed are epochs such as 1537236544 or 1537236544.25, or ISO-8601 dates and"
                " times such as 2018-09-21T08:30:00, either all with a zone or all without, in the"
                f" whole column (its first value is {first.first()!r}); correct or remove the"
                " line, or say timestamp_format = '%d/%m/%Y %H:%M' or the like in the TOML file of"
                " the log"
            )
        found[start : start + len(block)] = keys.to_numpy()
        start += len(block)
    return found


def _integers(column: pl.Series) -> pl.Series:
    """Integers as they stand, also where they are written as floats."""
    integers = column.cast(pl.Int64, strict=False)
    if integers.null_count():
        numbers = column.cast(DECIMAL, strict=False)
        whole = numbers.cast(pl.Int64, strict=False)
        integers = integers.fill_null(whole.set(whole.cast(DECIMAL) != numbers, None))
    return integers


def _millionths(column: pl.Series) -> pl.Series:
    """Millionths of an epoch in seconds or in milliseconds."""
    millionths = column.cast(DECIMAL, strict=False).to_physical().cast(pl.Int64, strict=False)
    return millionths.set(~_is_epoch(millionths / MILLION), None)


def _is_epoch(values: pl.Series) -> pl.Series:
    """True for epochs of 1990 to 2050 in seconds or in milliseconds."""
    seconds = values.is_between(EARLIEST, LATEST)
    return seconds | (values / UNITS["milliseconds"]).is_between(EARLIEST, LATEST)


def _iso(layouts: tuple[str, ...], column: pl.Series) -> pl.Series:
    """Microseconds since 1970, of UTC where the layout has a zone."""
    if column.str.contains_any(["UTC", "GMT", ",", "["]).any():
        column = column.str.replace(r"\[[\w/+-]+\]$", "")  # Java's name of a zone after its offset
        column = column.str.replace(r" ?(UTC|GMT)$", "Z").str.replace(",", ".", literal=True)
    found = pl.Series(column.name, [None], dtype=pl.Int64).new_from_index(0, len(column))
    first = layouts_of(str(column.first()), layouts)
    for layout in (*first, *(layout for layout in layouts if layout not in first)):
        if not found.null_count():
            break
        found = found.fill_null(_micros(column, layout))
    return found


def _micros(column: pl.Series, layout: str) -> pl.Series:
    return pl.select(read_time(pl.lit(column), layout)).to_series().to_physical()


READERS = (_integers, _millionths, partial(_iso, NAIVE_FORMATS), partial(_iso, ZONED_FORMATS))


def has_zone(layout: str) -> bool:
    """True if times of a layout say their offset from UTC."""
    return re.search("%[:#]*z|%Z", layout) is not None


def layouts_of(text: str, layouts: Sequence[str]) -> list[str]:
    """The layouts that read a text; only those whose marks it has are tried."""
    column, marks = pl.Series([text]), Counter(text)
    likely = (layout for layout in layouts if _marks(layout) <= marks)
    return [layout for layout in likely if not _micros(column, layout).null_count()]


@cache
def _marks(layout: str) -> Counter[str]:
    """The characters that every text of a layout has as often, blanks apart."""
    return Counter(re.sub(r"\s|\.?%[.:#\d]*[a-zA-Z]", "", layout))


def read_time(column: pl.Expr, layout: str) -> pl.Expr:
    """Times of a text column, without a zone (UTC if the layout has one); null where unreadable.

    A year of `%Y` has four digits. A zone is an offset from UTC, or the word UTC for `%Z`.
    """
    layout = layout.replace(".%f", "%.f")  # Python's way to write the fraction of a second
    layout = re.sub("%:*z", "%#z", layout).replace("%Z", "UTC")
    if ("%H" in layout or "%I" in layout) and "%M" not in layout:
        column, layout = column + " 00", f"{layout} %M"  # hours alone are no time to Polars
    times = column.str.to_datetime(layout, time_unit="us", strict=False)
    if "%#z" in layout:
        times = times.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return pl.when(times.dt.year().is_between(1000, 9999)).then(times)


def epoch_unit(low: int, high: int) -> str | None:
    """The one of `UNITS` in which both numbers are times of 1990 to 2050; None if there is none."""
    fitting = (
        name for name, size in UNITS.items() if EARLIEST * size <= low <= high <= LATEST * size
    )
    return next(fitting, None)


def readable_time(text: str | None) -> str:
    """A time of a log for people: epochs of a plausible size as a date, all else as it stands."""
    try:
        value = int(float(text or ""))
    except ValueError:
        return text or ""
    unit = epoch_unit(value, value)
    if unit is None:
        return text or ""
    seconds = value / UNITS[unit]
    return dt.datetime.fromtimestamp(seconds, tz=dt.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
