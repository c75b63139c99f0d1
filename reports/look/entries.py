"""Numbers as the text of table entries."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from benchmark.metrics import GAINS, SCORES
from reports.look.table import Entry, number, spread

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

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


def share_entry(row: Mapping[Hashable, float], name: str) -> Entry:
    """A share of the achievable gain, blank where it is undefined."""
    return Entry("") if np.isnan(row[f"{name}_mean"]) else interval_entry(row, name, 2)


def score_entries(block: pd.DataFrame) -> list[list[Entry]]:
    """For each row of a block its scores, the best of each metric marked."""
    best = {metric: _best(block, metric) for metric in SCORES}
    return [
        [
            Entry(
                spread(row[f"{name}_mean"], row[f"{name}_std"], metric.digits),
                number(row[f"{name}_mean"], metric.digits) == best[name],
            )
            for name, metric in SCORES.items()
        ]
        for row in block.to_dict("records")
    ]


def score_columns() -> list[str]:
    """The headings of `score_entries`."""
    return [metric.title for metric in SCORES.values()]


def delta_columns(word: str = "") -> list[str]:
    """The headings of `delta_entries`, with what the differences are to."""
    return [" ".join(filter(None, ("Δ", word, metric.title))) for metric in GAINS.values()]


def delta_entries(
    row: Mapping[Hashable, float], name: str, *, is_shown: bool = True
) -> list[Entry]:
    """Differences of a row, blank where there is nothing to compare with."""
    if not is_shown:
        return [Entry("")] * len(GAINS)
    names = [f"{metric}_{name}_e4" for metric in GAINS]
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
    best = means.min() if SCORES[metric].lower_is_better else means.max()
    return number(float(best), SCORES[metric].digits)
