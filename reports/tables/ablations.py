"""Ablations: methods with one part changed at a time, and the sparsity that AdaSparse reaches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.analysis.differences import below, compared, is_plain
from reports.analysis.sparsity import LAYERS_NOTE, layers_of, reached, sparsity_entries
from reports.look.entries import (
    delta_columns,
    delta_entries,
    runs_entry,
    score_columns,
    score_entries,
)
from reports.look.table import Entry, Layout, Table, blocks_of
from reports.reading.capped import marked
from reports.reading.keys import CELL
from reports.reading.names import title_of

if TYPE_CHECKING:
    import pandas as pd

    from reports.reading.load import Runs

_NOTES = [
    "Test split. Mean ± sample standard deviation over the runs; bold is the best mean of a block."
    " Δ plain is the difference to the plain backbone, Δ main that to the method as in Table 1, in"
    " units of 0.0001, taken run by run.",
    "All else is as tuned for Table 1 (see the settings of each model). Where tuning itself chose"
    " what a row changes, the row's runs are those of Table 1 and its Δ main is 0.0, and no row has"
    " the default. Alpha 5 from the start is alpha 5 at the end too, whatever was tuned.",
    LAYERS_NOTE,
    "The l1 penalty is tried with the weight lambda-hat of the band's penalty and with two smaller"
    " ones; it has nothing that stops it at a ratio.",
]


def tabulate(runs: Runs) -> pd.DataFrame:
    """The scores and differences of `paired.compared`, and the sparsity of `reached`."""
    runs = runs.study("ablations")
    table = compared(runs)
    return table if table.empty else table.merge(reached(runs), on=CELL, how="left")


def arrange(table: pd.DataFrame) -> Layout:
    """One block per data set and backbone, one column per layer."""
    layers = layers_of(table)

    def entries(block: pd.DataFrame) -> list[list[Entry]]:
        return [
            [
                Entry(marked(title_of(row["backbone"], row["method"], row["changes"]), row)),
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


TABLE = Table(
    title="Ablations: one part changed at a time",
    section="methods",
    position=8,
    study="ablations",
    tabulate=tabulate,
    arrange=arrange,
)
