"""Recognises columns of times: integer epochs, ISO-8601 and other formats."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import polars as pl

from datasets.encoding.times import epoch_unit, read_time, readable_time, time_keys
from datasets.profiling.names import words_of
from datasets.spec import DataError

FORMATS = (
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d %H:%M",
    "%Y/%m/%d",
    "%Y-%m-%d %H",
    "%d/%m/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M",
    "%m/%d/%Y %H:%M",
    "%m/%d/%Y %I:%M:%S %p",
    "%m/%d/%Y %I:%M %p",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y",
    "%Y%m%d %H:%M:%S",
    "%d %b %Y %H:%M:%S",
    "%d-%b-%Y %H:%M:%S",
    "%d/%b/%Y:%H:%M:%S %z",
    "%a %b %d %H:%M:%S %z %Y",
)
DIGITS = ("%Y%m%d", "%Y%m%d%H", "%Y%m%d%H%M", "%Y%m%d%H%M%S", "%y%m%d%H")  # sort as integers
TIME_WORDS = frozenset(
    ("time", "timestamp", "ts", "date", "datetime", "day", "dt", "created", "at")
)
PROBE_VALUES = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeColumn:
    """A column of times; `layout` is None where its times can be read without a format."""

    name: str
    kind: str
    layout: str | None
    alternative: str | None
    first: str
    last: str
    num_distinct: int
    is_sorted: bool

    @property
    def score(self) -> tuple[bool, bool, int]:
        """Orders candidates: a telling name, rows in its order, a fine resolution."""
        return is_named_as_time(self.name), self.is_sorted, self.num_distinct


def is_named_as_time(name: str) -> bool:
    """True if a column's name says that it holds a time."""
    return not TIME_WORDS.isdisjoint(words_of(name))


def recognise(column: pl.Series) -> TimeColumn | None:
    """The times that a text column holds, if it holds any."""
    filled = column.drop_nulls()
    if filled.is_empty():
        return None
    probe = filled.gather_every(max(1, len(filled) // PROBE_VALUES))
    if not probe.cast(pl.Int64, strict=False).null_count():
        integers = filled.cast(pl.Int64, strict=False)
        return None if integers.null_count() else _integers(column.name, integers)
    if _keys(probe) is not None:
        keys = _keys(filled)
        return None if keys is None else _times(filled, keys, "ISO-8601", None, None)
    layouts = [layout for layout in FORMATS if _fits(probe, layout)]
    layouts = [layout for layout in layouts if _fits(filled, layout)]
    if not layouts:
        return None
    times = _read(filled, layouts[0])
    return _times(filled, times, layouts[0], layouts[0], layouts[1] if layouts[1:] else None)


def _integers(name: str, values: pl.Series) -> TimeColumn | None:
    """Epochs of a plausible size, digits of a date, or any integers of a column named as time."""
    low, high = (int(value) for value in (values.min(), values.max()))  # type: ignore[arg-type]
    rising = values.is_sorted()
    named = is_named_as_time(name)
    unit = epoch_unit(low, high)
    probe = values.gather_every(max(1, len(values) // PROBE_VALUES)).cast(pl.String)
    digits = next((layout for layout in DIGITS if _fits(probe, layout)), None)
    if unit is not None and (named or rising) and low != high:
        kind = f"epoch in {unit}"
    elif digits is not None and named:
        kind = f"digits {digits}"
    elif named and low >= 0 and rising and low != high:
        kind = "integers in rising order"
    else:
        return None
    return TimeColumn(
        name=name,
        kind=kind,
        layout=None,
        alternative=None,
        first=readable_time(str(low)),
        last=readable_time(str(high)),
        num_distinct=values.n_unique(),
        is_sorted=rising,
    )


def _read(values: pl.Series, layout: str) -> pl.Series:
    return pl.select(read_time(pl.lit(values), layout)).to_series()


def _fits(values: pl.Series, layout: str) -> bool:
    return not _read(values, layout).null_count()


def _keys(values: pl.Series) -> pl.Series | None:
    """Times as the split by time reads them; None if it cannot."""
    try:
        return pl.Series(time_keys([values], len(values), partial("row {}".format)))
    except DataError:
        return None


def _times(
    column: pl.Series, keys: pl.Series, kind: str, layout: str | None, alternative: str | None
) -> TimeColumn:
    return TimeColumn(
        name=column.name,
        kind=kind,
        layout=layout,
        alternative=alternative,
        first=str(column[int(keys.arg_min() or 0)]),
        last=str(column[int(keys.arg_max() or 0)]),
        num_distinct=keys.n_unique(),
        is_sorted=keys.is_sorted(),
    )
