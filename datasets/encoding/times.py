"""Reads times of text: epochs, ISO-8601, and the formats that a TOML file may give."""

from __future__ import annotations

import datetime as dt
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from datasets.spec import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

NAIVE_FORMATS = (
    "%Y-%m-%d",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M",
)
ZONED_FORMATS = (
    "%Y-%m-%dT%H:%M:%S%.fZ",
    "%Y-%m-%dT%H:%M:%S%.f%z",
    "%Y-%m-%d %H:%M:%S%.f%z",
)
UNITS = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
EARLIEST, LATEST = (
    int(dt.datetime(year, 1, 1, tzinfo=dt.UTC).timestamp()) for year in (1990, 2050)
)


def time_keys(
    column: Iterable[pl.Series], num_rows: int, locate: Callable[[int], str]
) -> np.ndarray:
    """Sortable integers of a text column of integer epochs or ISO-8601 dates and times.

    The first value that is not missing decides which of the two the column holds, and whether its
    times have a zone. An epoch may be written as a float, such as `1537236544.0`. The column comes
    in blocks.

    Raises:
        DataError: a value is missing, is neither, or is unlike the first one.
    """
    found = np.empty(num_rows, dtype=np.int64)
    start, first, reader = 0, None, _epochs
    for block in column:
        if first is None:
            first = block.drop_nulls().head(1)
            readers = (_epochs, partial(_iso, NAIVE_FORMATS), partial(_iso, ZONED_FORMATS))
            reader = next((reader for reader in readers if reader(first).count()), _epochs)
        keys = reader(block)
        if keys.null_count():
            row = int(keys.is_null().arg_max() or 0)
            raise DataError(
                f"{locate(start + row)}: timestamp column {block.name!r} holds {block[row]!r};"
                " allowed are integer epochs such as 1537236544, or ISO-8601 dates and times such"
                " as 2018-09-21T08:30:00, either all with a zone or all without, in the whole"
                f" column (its first value is {first.first()!r}); correct or remove the line, or"
                " say timestamp_format = '%d/%m/%Y %H:%M' or the like in the TOML file of the log"
            )
        found[start : start + len(block)] = keys.to_numpy()
        start += len(block)
    return found


def _epochs(column: pl.Series) -> pl.Series:
    epochs = column.cast(pl.Int64, strict=False)
    if epochs.null_count():
        without_fraction = column.str.replace(r"\.0*$", "")
        epochs = epochs.fill_null(without_fraction.cast(pl.Int64, strict=False))
    return epochs


def _iso(layouts: tuple[str, ...], column: pl.Series) -> pl.Series:
    """Microseconds since 1970, of UTC where the layout has a zone."""
    found = pl.Series(column.name, [None], dtype=pl.Int64).new_from_index(0, len(column))
    for layout in layouts:
        if not found.null_count():
            break
        parsed = column.str.to_datetime(layout, time_unit="us", strict=False).to_physical()
        found = found.fill_null(parsed)
    return found


def read_time(column: pl.Expr, layout: str) -> pl.Expr:
    """Times of a text column, without a zone (UTC if the layout has one); null where unreadable."""
    layout = layout.replace(".%f", "%.f")  # Python's way to write the fraction of a second
    if ("%H" in layout or "%I" in layout) and "%M" not in layout:
        column, layout = column + " 00", f"{layout} %M"  # hours alone are no time to Polars
    times = column.str.to_datetime(layout, time_unit="us", strict=False)
    return times.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if "%z" in layout else times


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
