"""Recognises the column of times: epochs, digits of dates, ISO-8601 and other formats.

A time has a plausible size: dates of 1990 to 2050 that are not all within a moment. And it has a
name, or the rows are in its order. Ids, users and attributes are never times.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import polars as pl

from datasets.encoding.times import (
    EARLIEST,
    LATEST,
    MILLION,
    NAIVE_FORMATS,
    UNITS,
    ZONED_FORMATS,
    epoch_unit,
    layouts_of,
    read_time,
    readable_time,
    time_keys,
)
from datasets.profiling.names import is_date_of_another, is_hour, is_named_as_time, is_token
from datasets.profiling.profile import FEW_VALUES, UNIQUE_SHARE
from datasets.spec import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

DATES = (
    "%Y/%m/%d",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d.%m.%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%y/%m/%d",
    "%d/%m/%y",
    "%m/%d/%y",
    "%d.%m.%y",
    "%y-%m-%d",
    "%d-%m-%y",
    "%d %b %Y",
    "%d %B %Y",
    "%d-%b-%Y",
    "%d-%b-%y",
    "%b %d, %Y",
    "%B %d, %Y",
    "%b %d %Y",
    "%Y-%m-%d",
    "%Y%m%d",
)
CLOCKS = (
    "",
    " %H:%M:%S",
    " %H:%M",
    " %I:%M:%S %p",
    " %I:%M %p",
    " %H:%M:%S.%f",
    " %H:%M:%S,%3f",
    " %H:%M:%S %z",
    " %H:%M:%S.%f %z",
)
FORMATS = (
    *(date + clock for date in DATES for clock in CLOCKS),
    *(f"{date} %H" for date in DATES if "%Y" in date),  # %y %H would read 2023 as well
    "%d/%b/%Y:%H:%M:%S %z",
    "%a %b %d %H:%M:%S %z %Y",
    "%a %b %d %H:%M:%S UTC %Y",
    "%a %b %d %H:%M:%S %Y",
    "%a, %d %b %Y %H:%M:%S GMT",
    "%a, %d %b %Y %H:%M:%S %z",
    "%d-%b-%y %I.%M.%S.%f %p",
)
DIGITS = (
    "%Y%m%d",
    "%Y%m%d%H",
    "%Y%m%d%H%M",
    "%Y%m%d%H%M%S",
    "%Y%m%d%H%M%S%3f",
    "%y%m%d",
    "%y%m%d%H",
    "%y%m%d%H%M",
    "%y%m%d%H%M%S",
)
PROBE_VALUES = 2_000
WITHIN_A_SECOND = "all its times are within one second"


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeColumn:
    """A column of times; `layout` is None where its times can be read without a format.

    `alternative` is another layout that fits as well and that the order of the rows does not rule
    out. `has_name` is False where columns have no names of their own.
    """

    name: str
    kind: str
    layout: str | None
    alternative: str | None
    first: str
    last: str
    num_distinct: int
    is_sorted: bool
    has_name: bool = True

    @property
    def score(self) -> tuple[bool, bool, int]:
        """Orders candidates: a telling name, rows in its order, a fine resolution."""
        return is_named_as_time(self.name), self.is_sorted, self.num_distinct

    @property
    def guess(self) -> str:
        """The one ground that a time stands on; empty if it has a name and the rows its order."""
        if not self.has_name:
            return "by its values, as columns have no names"
        if not self.is_sorted:
            return "by its name, rows are not in its order"
        return "" if is_named_as_time(self.name) else "by the order of the rows, not by its name"


@dataclass(frozen=True, slots=True)
class Doubt:
    """The reason why a column that looks like a time is none, and whether its name says time."""

    name: str
    reason: str
    is_named: bool


@dataclass(frozen=True, slots=True)
class _Reading:
    """The values of a column as microseconds since 1970, by one layout."""

    kind: str
    layout: str | None
    micros: pl.Series

    @property
    def is_sorted(self) -> bool:
        return self.micros.is_sorted()

    @property
    def ends(self) -> tuple[int, int]:
        return _ends(self.micros)

    @property
    def is_plausible(self) -> bool:
        """True for dates of 1990 to 2050 that are not all within a second."""
        low, high = self.ends
        return low >= EARLIEST * MILLION and high <= LATEST * MILLION and high - low > MILLION

    @property
    def rank(self) -> tuple[bool, int]:
        """Orders readings: the one in which the rows are in order, then the shortest span."""
        low, high = self.ends
        return not self.is_sorted, high - low


def recognise(column: pl.Series) -> TimeColumn | None:
    """The times of a text column, if it holds any that can be those of the rows."""
    filled = column.drop_nulls()
    found = _readings(filled)
    if not found:
        return _counter(filled)
    best = found[0]
    if not is_named_as_time(column.name) and not _is_told_by_order(column.name, best):
        return None
    is_open = len(found) > 1 and best.is_sorted == found[1].is_sorted
    return _time(filled, best, found[1].layout if is_open else None)


def recognise_unnamed(columns: Sequence[pl.Series]) -> TimeColumn | None:
    """The time among columns without names of their own, if one alone reads as times.

    Epochs in seconds and digits of dates may be ids, so that others go before them.
    """
    read = [(column, _readings(column.drop_nulls())) for column in columns]
    found = [
        (column.drop_nulls(), readings[0])
        for column, readings in read
        if readings and readings[0].micros.n_unique() > FEW_VALUES
    ]
    clear = [pair for pair in found if not pair[1].kind.startswith(("epoch in seconds", "digits"))]
    if len(chosen := clear or found) != 1:
        return None
    return replace(_time(*chosen[0], None), has_name=False)


def doubt_of(column: pl.Series) -> Doubt | None:
    """The doubt about a column that `recognise` knows as none, if it looks like a time at all."""
    filled = column.drop_nulls()
    if filled.is_empty() or is_hour(column.name):
        return None
    numbers = filled.cast(pl.Float64, strict=False)
    is_text = numbers.null_count() > len(filled) / 2
    if is_named_as_time(column.name):
        reason = _unread(filled) if is_text else _no_dates(filled, numbers)
        return Doubt(column.name, reason, is_named=True) if reason else None
    found = _readings(filled)
    is_other = is_date_of_another(column.name) or is_token(column.name) is not None
    if not found or (not is_text and (is_other or found[0].micros.n_unique() <= FEW_VALUES)):
        return None
    if is_other:
        reason = "its name is that of an id, a user or an attribute"
    elif found[0].is_sorted:
        reason = "it has one value per row, as ids have, and no name of a time"
    else:
        reason = "neither its name nor the order of the rows tells that it is the time"
    return Doubt(column.name, f"{found[0].kind}, but {reason}", is_named=False)


def holds_dates(column: pl.Series) -> bool:
    """True for dates of any years and any meaning, in a layout that is known."""
    return bool(_fitting(column.drop_nulls()))


def _readings(filled: pl.Series) -> list[_Reading]:
    """All plausible readings of a column without gaps, the best first."""
    plausible = (reading for reading in _fitting(filled) if reading.is_plausible)
    return sorted(plausible, key=lambda reading: reading.rank)


def _fitting(filled: pl.Series) -> list[_Reading]:
    if filled.is_empty():
        return []
    probe = filled.gather_every(max(1, len(filled) // PROBE_VALUES))
    if not probe.cast(pl.Float64, strict=False).null_count():
        return _layouts(probe, filled, DIGITS, "digits ") or _without_layout(probe, filled)
    return _without_layout(probe, filled) or _layouts(probe, filled, FORMATS)


def _layouts(
    probe: pl.Series, filled: pl.Series, layouts: tuple[str, ...], kind: str = ""
) -> list[_Reading]:
    """Readings by the layouts that fit, those apart that read the same times."""
    found: list[_Reading] = []
    for layout in layouts_of(str(probe.first()), layouts):
        if not all(_fits(values, layout) for values in (probe, filled)):
            continue
        micros = _read(filled, layout).to_physical()
        if not any(micros.equals(other.micros) for other in found):
            found.append(_Reading(f"{kind}{layout}", layout, micros))
    return found


def _without_layout(probe: pl.Series, filled: pl.Series) -> list[_Reading]:
    """The reading of epochs or of ISO-8601, as the split by time does it."""
    keys = None if _keys(probe) is None else _keys(filled)
    if keys is None:
        return []
    numbers = filled.cast(pl.Float64, strict=False)
    if numbers.null_count():
        return [_Reading("ISO-8601", None, keys)]
    unit, shown = epoch_unit(*_ends(keys)), epoch_unit(*_ends(numbers))
    if unit is None or shown is None:
        return []
    size = UNITS[unit]
    micros = keys // (size // MILLION) if size > MILLION else keys * (MILLION // size)
    return [_Reading(f"epoch in {shown}", None, micros)]


def _counter(filled: pl.Series) -> TimeColumn | None:
    """Integers that rise with the rows, such as seconds since the start, in a column named so."""
    if not is_named_as_time(filled.name) or is_hour(filled.name) or filled.n_unique() <= FEW_VALUES:
        return None
    if filled.cast(pl.Float64, strict=False).null_count():
        return None
    keys = _keys(filled)
    if keys is None or not keys.is_sorted() or int(keys[0]) < 0:
        return None
    return _time(filled, _Reading("integers in rising order", None, keys), None)


def _is_told_by_order(name: str, reading: _Reading) -> bool:
    """True if rows are in the order of a column that is neither an id nor an attribute."""
    if not reading.is_sorted or is_date_of_another(name) or is_token(name) is not None:
        return False
    is_text = not reading.kind.startswith(("epoch", "digits"))
    return is_text or FEW_VALUES < reading.micros.n_unique() < UNIQUE_SHARE * len(reading.micros)


def _unread(filled: pl.Series) -> str:
    """The text that could not be read as a time, in words; empty for a few words."""
    first = str(filled.first())
    layouts = (*NAIVE_FORMATS, *ZONED_FORMATS, *FORMATS)
    layout = next(iter(layouts_of(first, layouts)), None)
    if layout is None and filled.n_unique() <= FEW_VALUES:
        return ""
    if layout is None and layouts_of(f"2000-01-01 {first}", NAIVE_FORMATS):
        return f"a time of day without its date ({first!r})"
    if layout is None:
        return f"in a format that is not known ({first!r})"
    times = _read(filled, layout)
    strange = filled.filter(times.is_null())
    if len(strange):
        return f"{strange.first()!r} is no time like {first!r}"
    strange = filled.filter(~times.dt.year().is_between(1990, 2049))
    return f"{strange.first()!r} is no date of 1990 to 2050" if len(strange) else WITHIN_A_SECOND


def _no_dates(filled: pl.Series, numbers: pl.Series) -> str:
    """The number that is no date, in words; empty if the column does not look like a time."""
    finite = numbers.filter(numbers.is_finite())
    if finite.n_unique() < 2:
        return ""
    usual = int(finite.median())  # type: ignore[arg-type]
    if epoch_unit(usual, usual) is None and not finite.is_sorted():
        return ""
    if numbers.null_count():
        return f"{filled.filter(numbers.is_null()).first()!r} is no number like {filled.first()!r}"
    low, high = _ends(finite)
    if epoch_unit(low, high) is not None:
        return WITHIN_A_SECOND
    return f"its numbers, {low:,} to {high:,}, are no dates of 1990 to 2050"


def _ends(values: pl.Series) -> tuple[int, int]:
    return int(values.min()), int(values.max())  # type: ignore[arg-type]


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


def _time(filled: pl.Series, reading: _Reading, alternative: str | None) -> TimeColumn:
    ends = (reading.micros.arg_min(), reading.micros.arg_max())
    first, last = (filled[int(end or 0)] for end in ends)
    if reading.kind.startswith("epoch"):
        first, last = readable_time(first), readable_time(last)
    return TimeColumn(
        name=filled.name,
        kind=reading.kind,
        layout=reading.layout,
        alternative=alternative,
        first=first,
        last=last,
        num_distinct=reading.micros.n_unique(),
        is_sorted=reading.is_sorted,
    )
