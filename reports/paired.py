"""Scores of models over seeds, and their differences seed by seed, as numbers and as entries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from reports.intervals import interval_entry
from reports.layout import Entry, number, spread
from reports.load import CELL
from reports.names import BASELINE
from reports.stats import paired_interval

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from numpy.typing import NDArray

    from reports.load import Runs
    from reports.stats import Interval

DIGITS = {"logloss": 5, "auc": 4, "gauc": 4}
EXPECTED_DIGITS = {f"expected_{metric}": digits for metric, digits in DIGITS.items()}
LOWER_IS_BETTER = {"logloss", "expected_logloss"}
LEAST_WAY = 0.005
SHARE_NOTE = (
    "Share: the gain over the plain backbone as a part of what lies between it and the ceiling,"
    " seed by seed, with the 95% t interval of its mean over the seeds, which holds the noise of"
    " training, not that of the test rows nor of the one log that was drawn; none is corrected for"
    f" the number of comparisons. Blank where in any seed less than {LEAST_WAY} lies between."
)
SCALE = 1e4  # of the differences
MATCHED = "adasparse"  # what a width-matched plain network is compared with


def rows_of(scores: pd.DataFrame, keys: Mapping[str, object]) -> pd.DataFrame:
    """The rows, one per finished seed, whose columns have these values."""
    return scores[(scores[list(keys)] == pd.Series(keys)).all(axis=1)]


def averages(own: pd.DataFrame) -> dict[str, object]:
    """`<metric>_mean` and `_std` over the seeds."""
    row: dict[str, object] = {}
    for metric in DIGITS:
        row |= moments(metric, own[metric])
    return row


def differences(own: pd.DataFrame, other: pd.DataFrame, name: str) -> dict[str, object]:
    """`<metric>_<name>_e4_mean` and `_std` over the seeds that both have."""
    row: dict[str, object] = {}
    for metric in DIGITS:
        row |= moments(f"{metric}_{name}_e4", seed_deltas(own, other, metric) * SCALE)
    return row


def seed_pairs(
    own: pd.DataFrame, other: pd.DataFrame, metric: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A metric of both over the seeds that both have."""
    _, left, right = np.intersect1d(own["seed"], other["seed"], return_indices=True)
    values = (frame[metric].to_numpy(np.float64) for frame in (own, other))
    return next(values)[left], next(values)[right]


def seed_deltas(own: pd.DataFrame, other: pd.DataFrame, metric: str) -> pd.Series:
    """The differences of a metric over the seeds that both have."""
    mine, theirs = seed_pairs(own, other, metric)
    return pd.Series(mine - theirs)


def achieved_share(own: pd.DataFrame, plain: pd.DataFrame, metric: str, ceiling: float) -> Interval:
    """The part of the way from the plain backbone to the ceiling, over the seeds that both have.

    Undefined where that way is shorter than `LEAST_WAY` in any seed: a share of nothing is noise.
    """
    reached, start = seed_pairs(own, plain, metric)
    way = ceiling - start
    is_short = ((-way if metric in LOWER_IS_BETTER else way) < LEAST_WAY).any()
    return paired_interval(np.full(way.size, np.nan) if is_short else (reached - start) / way)


def share_entry(row: Mapping[Hashable, float], name: str) -> Entry:
    """A share of the achievable gain, blank where it is undefined."""
    return Entry("") if np.isnan(row[f"{name}_mean"]) else interval_entry(row, name, 2)


def moments(name: str, values: pd.Series) -> dict[str, object]:
    """Mean and sample standard deviation; undefined where a value is, or where there is none."""
    return {
        f"{name}_mean": values.mean(skipna=False) if len(values) else np.nan,
        f"{name}_std": values.std(ddof=1, skipna=False),
    }


def compared(runs: Runs) -> pd.DataFrame:
    """One row per planned cell of a study: its scores, and the differences to two others.

    `<metric>_delta_plain_e4_*` are those to the plain backbone, `<metric>_delta_main_e4_*` those to
    the main cell that the study changed, a width-matched plain network's being `MATCHED`. What
    would be compared with itself is nan.
    """
    scores = runs.metrics()
    if scores.empty:
        return pd.DataFrame()
    rows = []
    for model in runs.models.to_dict("records"):
        keys = {name: model[name] for name in CELL}
        main = {
            "changes": "",
            "method": MATCHED if model["method"] == BASELINE else model["method"],
        }
        own, nothing = rows_of(scores, keys), scores.iloc[:0]
        plain = rows_of(scores, keys | {"changes": "", "method": BASELINE})
        rows.append(
            model
            | {"seeds": len(own)}
            | averages(own)
            | differences(own, nothing if is_plain(model) else plain, "delta_plain")
            | differences(
                own, rows_of(scores, keys | main) if model["changes"] else nothing, "delta_main"
            )
        )
    return pd.DataFrame(rows)


def is_plain(row: Mapping[Hashable, object]) -> bool:
    """Whether a row is the plain backbone's main cell, with which others are compared."""
    return row["method"] == BASELINE and row["changes"] == ""


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


def seeds_entry(row: Mapping[Hashable, int]) -> Entry:
    """The finished seeds, and the planned ones where they are more."""
    done, planned = row["seeds"], row["planned_seeds"]
    return Entry(str(done) if done == planned else f"{done} of {planned}")


def _best(block: pd.DataFrame, metric: str) -> str:
    """The best mean as printed, so that equal prints are marked alike; empty without a choice."""
    means = block[f"{metric}_mean"].dropna()
    if len(means) < 2:
        return ""
    best = means.min() if metric in LOWER_IS_BETTER else means.max()
    return number(float(best), DIGITS[metric])
