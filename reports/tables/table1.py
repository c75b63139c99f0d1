"""Table 1: LogLoss, AUC and GAUC of every method on every backbone (AdaSparse, table 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from reports.layout import Block, Entry, Layout, Table, blocks_of, number, spread
from reports.load import DATA, MODEL
from reports.names import BASELINE, data_title, title_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from reports.load import Runs

_DIGITS = {"logloss": 5, "auc": 4, "gauc": 4}
_LOWER_IS_BETTER = {"logloss"}
_CEILING = "ceiling"
_SCALE = 1e4  # of the differences
_NOTES = [
    "Test split. Mean ± sample standard deviation over the seeds; bold is the best mean of a"
    " block. For LogLoss lower is better.",
    "Δ is the difference to the plain backbone in units of 0.0001, taken seed by seed: two runs"
    " with one seed see the same data order and start from the same values of what they share.",
    "Significance testing is not part of this version. The spread over a few seeds does not"
    " include the noise of the test rows, so small differences prove nothing.",
]
_CEILING_NOTE = (
    "Ceiling: the metrics of the true click probability on the same rows; no model can be"
    " expected to do better."
)


def tabulate(runs: Runs) -> pd.DataFrame:
    """One row per planned model, then a `ceiling` per data set whose true probability is known.

    `<metric>_mean` and `_std` are over the `seeds` finished runs, `<metric>_delta_e4_mean` and
    `_std` over the `pairs` that share a seed with the baseline. Undefined numbers are nan.
    """
    scores = runs.metrics()
    if scores.empty:
        return pd.DataFrame()
    rows = [
        _row(scores, model) | {"planned_seeds": model.planned_seeds}
        for model in runs.models.itertuples()
    ]
    for (dataset, partition), fingerprint in runs.fingerprints.items():
        card = runs.card(fingerprint)
        if "ceiling" in card:
            best = card["ceiling"]["test"]
            keys = {"dataset": dataset, "partition": partition, "backbone": "", "method": _CEILING}
            rows.append(keys | {f"{metric}_mean": best[metric] for metric in _DIGITS})
    return pd.DataFrame(rows).astype(
        {name: "Int64" for name in ("seeds", "pairs", "planned_seeds")}
    )


def _row(scores: pd.DataFrame, model: tuple) -> dict[str, object]:
    keys = {name: getattr(model, name) for name in MODEL}
    own = _of(scores, keys)
    pairs = own.merge(
        _of(scores, keys | {"method": BASELINE}), on="seed", suffixes=("", "_baseline")
    )
    if keys["method"] == BASELINE:
        pairs = pairs.iloc[:0]
    row = keys | {"seeds": len(own), "pairs": len(pairs)}
    for metric in _DIGITS:
        delta = (pairs[metric] - pairs[f"{metric}_baseline"]) * _SCALE
        for name, values in ((metric, own[metric]), (f"{metric}_delta_e4", delta)):
            row[f"{name}_mean"] = values.mean(skipna=False) if len(values) else np.nan
            row[f"{name}_std"] = values.std(ddof=1, skipna=False)
    return row


def _of(scores: pd.DataFrame, keys: dict[str, str]) -> pd.DataFrame:
    return scores[(scores[list(keys)] == pd.Series(keys)).all(axis=1)]


def arrange(table: pd.DataFrame) -> Layout:
    """One block per data set and backbone, then the ceiling of the data set."""
    is_ceiling = table["method"] == _CEILING
    blocks = blocks_of(table[~is_ceiling], _entries)
    for (dataset, partition), rows in table[is_ceiling].groupby(DATA, sort=False):
        blocks.append(
            Block(
                heading=f"{data_title(str(dataset), str(partition))}, ceiling",
                rows=_ceiling_entries(rows),
            )
        )
    columns = ["Model", "LogLoss", "AUC", "GAUC", "Δ LogLoss", "Δ AUC", "Δ GAUC", "Seeds"]
    return Layout(
        columns=columns,
        blocks=blocks,
        notes=[*_NOTES, *([_CEILING_NOTE] if is_ceiling.any() else [])],
    )


def _entries(block: pd.DataFrame) -> list[list[Entry]]:
    best = {metric: _best(block, metric) for metric in _DIGITS}
    entries = []
    for row in block.to_dict("records"):
        name = Entry(title_of(row["backbone"], row["method"]))
        scores = [
            Entry(
                spread(row[f"{metric}_mean"], row[f"{metric}_std"], digits),
                number(row[f"{metric}_mean"], digits) == best[metric],
            )
            for metric, digits in _DIGITS.items()
        ]
        entries.append([name, *scores, *_deltas(row), _seeds(row)])
    return entries


def _ceiling_entries(block: pd.DataFrame) -> list[list[Entry]]:
    means = [
        Entry(number(block.iloc[0][f"{metric}_mean"], digits)) for metric, digits in _DIGITS.items()
    ]
    return [[Entry("True probability"), *means, *[Entry("")] * 4]]


def _deltas(row: Mapping[Hashable, float]) -> list[Entry]:
    if row["method"] == BASELINE:
        return [Entry("")] * len(_DIGITS)
    names = [f"{metric}_delta_e4" for metric in _DIGITS]
    return [
        Entry(spread(row[f"{name}_mean"], row[f"{name}_std"], 1, signed=True)) for name in names
    ]


def _seeds(row: Mapping[Hashable, int]) -> Entry:
    done, planned = row["seeds"], row["planned_seeds"]
    return Entry(str(done) if done == planned else f"{done} of {planned}")


def _best(block: pd.DataFrame, metric: str) -> str:
    """The best mean as printed, so that equal prints are marked alike; empty without a choice."""
    means = block[f"{metric}_mean"].dropna()
    if len(means) < 2:
        return ""
    best = means.min() if metric in _LOWER_IS_BETTER else means.max()
    return number(float(best), _DIGITS[metric])


TABLE = Table(
    title="Table 1: multi-domain CTR prediction", position=1, tabulate=tabulate, arrange=arrange
)
