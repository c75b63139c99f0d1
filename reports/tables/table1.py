"""Table 1: LogLoss, AUC and GAUC of every method on every backbone (AdaSparse, table 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from reports.layout import Block, Entry, Layout, Table, blocks_of, number
from reports.load import DATA, MODEL
from reports.names import BASELINE, REFERENCE, data_title, title_of
from reports.paired import (
    DIGITS,
    averages,
    delta_entries,
    differences,
    rows_of,
    score_entries,
    seeds_entry,
)

if TYPE_CHECKING:
    from reports.load import Runs

_CEILING = "ceiling"
_NOTES = [
    "Test split. Mean ± sample standard deviation over the seeds; bold is the best mean of a"
    " block. For LogLoss lower is better.",
    "Δ is the difference to the plain backbone in units of 0.0001, taken seed by seed: two runs"
    " with one seed see the same data order and start from the same values of what they share.",
    "Nothing is tested for significance here. The spread over a few seeds does not include the"
    " noise of the test rows, so small differences prove nothing.",
]
_REFERENCE_NOTE = (
    "References: what one would pick instead of a network, on the same rows, codes, metrics and"
    " number of trials. Logistic regression has one optimum, so that its seeds are equal."
)
_CEILING_NOTE = (
    "Ceiling: the metrics of the true click probability on the same rows; no model can be"
    " expected to do better."
)


def tabulate(runs: Runs) -> pd.DataFrame:
    """A row per planned model and reference, then a `ceiling` per data set of known probability.

    `<metric>_mean` and `_std` are over the `seeds` finished runs, `<metric>_delta_e4_mean` and
    `_std` over the `pairs` that share a seed with the baseline. Undefined numbers are nan.
    """
    runs = runs.study("main", "references")
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
            rows.append(keys | {f"{metric}_mean": best[metric] for metric in DIGITS})
    return pd.DataFrame(rows).astype(
        {name: "Int64" for name in ("seeds", "pairs", "planned_seeds")}
    )


def _row(scores: pd.DataFrame, model: tuple) -> dict[str, object]:
    keys = {name: getattr(model, name) for name in MODEL}
    own, plain = rows_of(scores, keys), rows_of(scores, keys | {"method": BASELINE})
    if keys["method"] in (BASELINE, REFERENCE):
        plain = plain.iloc[:0]
    pairs = int(own["seed"].isin(plain["seed"]).sum())
    counts = {"seeds": len(own), "pairs": pairs}
    return keys | counts | averages(own) | differences(own, plain, "delta")


def arrange(table: pd.DataFrame) -> Layout:
    """One block per data set and backbone, then its references and its ceiling."""
    is_ceiling, is_reference = (table["method"] == name for name in (_CEILING, REFERENCE))
    blocks = blocks_of(table[~is_ceiling & ~is_reference], _entries)
    for (dataset, partition), rows in table[is_reference].groupby(DATA, sort=False):
        heading = f"{data_title(str(dataset), str(partition))}, references"
        blocks.append(Block(heading=heading, rows=_entries(rows)))
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
        notes=[
            *_NOTES,
            *([_REFERENCE_NOTE] if is_reference.any() else []),
            *([_CEILING_NOTE] if is_ceiling.any() else []),
        ],
    )


def _entries(block: pd.DataFrame) -> list[list[Entry]]:
    return [
        [
            Entry(title_of(row["backbone"], row["method"])),
            *scores,
            *delta_entries(
                row, "delta", tuple(DIGITS), is_shown=row["method"] not in (BASELINE, REFERENCE)
            ),
            seeds_entry(row),
        ]
        for row, scores in zip(block.to_dict("records"), score_entries(block), strict=True)
    ]


def _ceiling_entries(block: pd.DataFrame) -> list[list[Entry]]:
    means = [
        Entry(number(block.iloc[0][f"{metric}_mean"], digits)) for metric, digits in DIGITS.items()
    ]
    return [[Entry("True probability"), *means, *[Entry("")] * 4]]


TABLE = Table(
    title="Table 1: multi-domain CTR prediction", position=1, tabulate=tabulate, arrange=arrange
)
