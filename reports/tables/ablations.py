"""Ablations: AdaSparse with one part changed at a time, and the sparsity that it reaches."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pandas as pd

from reports.layout import Entry, Layout, Table, blocks_of, number
from reports.load import CELL
from reports.names import title_of
from reports.paired import compared, delta_entries, is_plain, score_entries, seeds_entry

if TYPE_CHECKING:
    from reports.load import Runs

_SHOWN = ("auc", "gauc")
_TOLERANCE = 0.02  # by which a ratio may lie outside of the band
_NOTES = [
    "Test split. Mean ± sample standard deviation over the seeds; bold is the best mean of a block."
    " Δ plain is the difference to the plain backbone, Δ main that to AdaSparse as in Table 1, in"
    " units of 0.0001, taken seed by seed.",
    "layer0 (x_0, the input of the backbone), layer1, ...: the share of a layer's neurons that are"
    " pruned, mean over the test rows and the seeds. In band: how many of these layers lie within"
    f" {_TOLERANCE} of the band [r_min, r_max] at which training aims.",
    "The l1 penalty is tried with the weight lambda-hat of the band's penalty and with two smaller"
    " ones; it has nothing that stops it at a ratio.",
]


def tabulate(runs: Runs) -> pd.DataFrame:
    """The scores and differences of `paired.compared`, and the sparsity ratios of `_ratios`."""
    runs = runs.study("ablations")
    table = compared(runs)
    return table if table.empty else table.merge(_ratios(runs), on=CELL, how="left")


def _ratios(runs: Runs) -> pd.DataFrame:
    """`<layer>_sparsity`, `layers`, `layers_in_band`, `r_min` and `r_max` of models that prune."""
    means = runs.sparsity().drop(columns="seed").groupby(CELL).mean().add_suffix("_sparsity")
    bounds = pd.DataFrame(
        [
            [*cell.key, *cast("list[float]", cell.config.method_config["sparsity_bounds"])]
            for cell in runs.cells
            if "sparsity_bounds" in cell.config.method_config
        ],
        columns=[*CELL, "r_min", "r_max"],
    )
    bounds = bounds.groupby(CELL).first().reindex(means.index)
    low, high = bounds["r_min"] - _TOLERANCE, bounds["r_max"] + _TOLERANCE
    is_inside = means.ge(low, axis=0) & means.le(high, axis=0)
    counts = {"layers": means.notna().sum(axis=1), "layers_in_band": is_inside.sum(axis=1)}
    return means.assign(**counts).join(bounds).reset_index()


def arrange(table: pd.DataFrame) -> Layout:
    """One block per data set and backbone, one column per layer."""
    layers = [name for name in table.columns if name.endswith("_sparsity")]

    def entries(block: pd.DataFrame) -> list[list[Entry]]:
        return [
            [
                Entry(title_of(row["backbone"], row["method"], row["changes"])),
                *scores,
                *delta_entries(row, "delta_plain", _SHOWN, is_shown=not is_plain(row)),
                *delta_entries(row, "delta_main", _SHOWN, is_shown=row["changes"] != ""),
                *(Entry("" if pd.isna(row[name]) else number(row[name], 3)) for name in layers),
                _in_band(row),
                seeds_entry(row),
            ]
            for row, scores in zip(block.to_dict("records"), score_entries(block), strict=True)
        ]

    columns = [
        *("Model", "LogLoss", "AUC", "GAUC"),
        *("Δ plain AUC", "Δ plain GAUC", "Δ main AUC", "Δ main GAUC"),
        *(name.removesuffix("_sparsity") for name in layers),
        *("In band", "Seeds"),
    ]
    return Layout(columns=columns, blocks=blocks_of(table, entries), notes=_NOTES)


def _in_band(row: dict) -> Entry:
    if pd.isna(row["layers"]):
        return Entry("")
    return Entry(f"{row['layers_in_band']:.0f} of {row['layers']:.0f}")


TABLE = Table(
    title="Ablations: the parts of AdaSparse", position=7, tabulate=tabulate, arrange=arrange
)
