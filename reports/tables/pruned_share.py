"""Sparsity: the share of neurons that a pruning method set to zero, layer by layer."""

from __future__ import annotations

from functools import partial

import pandas as pd

from reports.look import columns
from reports.look.table import Table, TableLayout, number, spread
from reports.reading.keys import MODEL, REPLICATE
from reports.reading.load import Runs

_NOTES = [
    "Mean over the test rows of the share of a layer's neurons that are pruned; ± over the runs."
    " In brackets the standard deviation of that share over the domains, weighted by their rows.",
    "layer0 is the input of the backbone, the others are its hidden layers. Training aims at the"
    " band that the method's setting sparsity_bounds names.",
]


def tabulate(runs: Runs) -> pd.DataFrame:
    """`<layer>_mean` and `<layer>_std` over the finished runs of each model that prunes.

    `<layer>_domains` is the standard deviation over the domains of a run, mean over the runs.
    """
    runs = runs.study("main")
    ratios = runs.sparsity()
    if ratios.empty:
        return ratios
    grouped, domains = (
        frame.drop(columns=["changes", *REPLICATE]).groupby(MODEL)
        for frame in (ratios, runs.sparsity_spread())
    )
    numbers = (
        grouped.mean()
        .add_suffix("_mean")
        .join(grouped.std().add_suffix("_std"))
        .join(domains.mean().add_suffix("_domains"))
        .reset_index()
    )
    return runs.models[MODEL].merge(numbers, on=MODEL)


def arrange(table: pd.DataFrame) -> TableLayout:
    """One block per data set and backbone, one column per layer."""
    layers = [name.removesuffix("_mean") for name in table.columns if name.endswith("_mean")]
    shown = [columns.text(layer, partial(_layer_text, layer)) for layer in layers]
    return columns.laid_out(table, [columns.MODEL, *shown], _NOTES)


def _layer_text(layer: str, row: columns.Row) -> str:
    mean = spread(row[f"{layer}_mean"], row[f"{layer}_std"], 3)
    return f"{mean} ({number(row[f'{layer}_domains'], 3)})"


TABLE = Table(
    title="Sparsity reached",
    section="methods",
    position=60,
    is_folded=True,
    study="main",
    tabulate=tabulate,
    arrange=arrange,
)
