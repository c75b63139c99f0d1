"""Bounds: AdaSparse with other bounds of its sparsity ratio (after AdaSparse, figure 3d)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.analysis.bounds import tabulate
from reports.analysis.differences import below, is_plain
from reports.analysis.sparsity import LAYERS_NOTE, layers_of, sparsity_entries
from reports.look.entries import (
    delta_columns,
    delta_entries,
    runs_entry,
    score_columns,
    score_entries,
)
from reports.look.table import Entry, Layout, Table, blocks_of
from reports.reading.capped import marked
from reports.reading.names import band_title, title_of

if TYPE_CHECKING:
    import pandas as pd


_NOTES = [
    "Test split. Mean ± sample standard deviation over the runs; bold is the best mean of a block."
    " Δ plain is the difference to the plain backbone, which prunes nothing, Δ main that to"
    " AdaSparse as in Table 1, in units of 0.0001, taken run by run.",
    LAYERS_NOTE,
    "All but the bounds is as in the main cell, tuned values included. Bounds are what training"
    " aims at, not what it is held to: where few layers are in the band, compare by the sparsity"
    " that was reached. The paper finds that quality first rises, then falls with the sparsity, and"
    " that [0.35, 0.4] still has almost the quality of the plain backbone.",
]


def arrange(table: pd.DataFrame) -> Layout:
    """One block per data set and backbone: the plain backbone, then rising bounds."""
    layers = layers_of(table)

    def entries(block: pd.DataFrame) -> list[list[Entry]]:
        block = block.sort_values(["r_min", "r_max"], na_position="first", kind="stable")
        return [
            [
                Entry(marked(_title(row), row)),
                *scores,
                *delta_entries(row, "delta_plain", is_shown=not is_plain(row)),
                *delta_entries(row, "delta_main", is_shown=row["changes"] != ""),
                *sparsity_entries(row, layers),
                runs_entry(row),
            ]
            for row, scores in zip(block.to_dict("records"), score_entries(block), strict=True)
        ]

    columns = [
        *("Model", *score_columns()),
        *(*delta_columns("plain"), *delta_columns("main")),
        *(*layers, "In band", "Runs"),
    ]
    return Layout(columns=columns, blocks=blocks_of(table, entries), notes=[*_NOTES, *below(table)])


def _title(row: dict) -> str:
    band = "" if is_plain(row) else band_title(row["r_min"], row["r_max"])
    return title_of(row["backbone"], row["method"], band)


TABLE = Table(
    title="Bounds of the sparsity ratio",
    section="methods",
    position=2,
    study="sparsity",
    tabulate=tabulate,
    arrange=arrange,
)
