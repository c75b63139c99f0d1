"""Intervals as numbers of a table's CSV file and as the text of an entry."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from reports.layout import Entry, number

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from reports.stats import Interval


def bounds(name: str, interval: Interval) -> dict[str, object]:
    """`<name>_mean`, `_low` and `_high`."""
    return {
        f"{name}_mean": interval.mean,
        f"{name}_low": interval.low,
        f"{name}_high": interval.high,
    }


def interval_entry(
    row: Mapping[Hashable, float], name: str, digits: int, *, signed: bool = True
) -> Entry:
    """A difference and its interval, the difference alone where that is undefined."""
    mean, low, high = (
        number(row[f"{name}_{part}"], digits, signed=signed) for part in ("mean", "low", "high")
    )
    is_undefined = math.isnan(row[f"{name}_low"])
    return Entry(mean if is_undefined else f"{mean} [{low}, {high}]")
