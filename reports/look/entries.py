"""Numbers as the text of table entries."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from reports.look.table import Entry, number, spread

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    import pandas as pd

    from reports.statistics.paired_tests import Interval


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


DIGITS = {"logloss": 5, "auc": 4, "gauc": 4}
LOWER_IS_BETTER = {"logloss", "expected_logloss"}


def share_entry(row: Mapping[Hashable, float], name: str) -> Entry:
    """A share of the achievable gain, blank where it is undefined."""
    return Entry("") if np.isnan(row[f"{name}_mean"]) else interval_entry(row, name, 2)


def score_entries(block: pd.DataFrame) -> list[list[Entry]]:
    """For each row of a block its scores, the best of each metric marked."""
    best = {metric: _best(block, metric) for metric in DIGITS}
    return [
        [
            Entry(
                spread(row[f"{metric}_mean"], row[f"{metric}_std"], digits),
                number(row[f"{metric}_mean"], digits) == best[metric],
            )
            for metric, digits in DIGITS.items()
        ]
        for row in block.to_dict("records")
    ]


def delta_entries(
    row: Mapping[Hashable, float], name: str, metrics: Sequence[str], *, is_shown: bool = True
) -> list[Entry]:
    """Differences of a row, blank where there is nothing to compare with."""
    if not is_shown:
        return [Entry("")] * len(metrics)
    names = [f"{metric}_{name}_e4" for metric in metrics]
    return [
        Entry(spread(row[f"{name}_mean"], row[f"{name}_std"], 1, signed=True)) for name in names
    ]


def runs_entry(row: Mapping[Hashable, int]) -> Entry:
    """The finished runs, the planned ones where they are more, and the draws if several."""
    done, planned, draws = row["runs"], row["planned_runs"], row["draws"]
    text = str(done) if done == planned else f"{done} of {planned}"
    return Entry(f"{text} on {draws} draws" if draws > 1 else text)


def _best(block: pd.DataFrame, metric: str) -> str:
    """The best mean as printed, so that equal prints are marked alike; empty without a choice."""
    means = block[f"{metric}_mean"].dropna()
    if len(means) < 2:
        return ""
    best = means.min() if metric in LOWER_IS_BETTER else means.max()
    return number(float(best), DIGITS[metric])


EXPECTED_DIGITS = {f"expected_{metric}": digits for metric, digits in DIGITS.items()}
WIDEST = dict.fromkeys(("auc", "gauc", "expected_auc", "expected_gauc"), 1.0)  # of differences
