"""Numbers as the text of table entries."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from reports.look.table import number

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from reports.statistics.paired_tests import Interval


def bounds(name: str, interval: Interval) -> dict[str, object]:
    """`<name>_mean`, `_low` and `_high`."""
    return {
        f"{name}_mean": interval.mean,
        f"{name}_low": interval.low,
        f"{name}_high": interval.high,
    }


def interval_text(
    row: Mapping[Hashable, float], name: str, digits: int, *, signed: bool = True
) -> str:
    """A difference and its interval, the difference alone where that is undefined."""
    mean, low, high = (
        number(row[f"{name}_{part}"], digits, signed=signed) for part in ("mean", "low", "high")
    )
    return mean if math.isnan(row[f"{name}_low"]) else f"{mean} [{low}, {high}]"
