"""Partitions: every method with ever finer domains, column by column (after AdaSparse, fig. 3c)."""

from __future__ import annotations

import pandas as pd

from reports.analysis.partitions import tabulate
from reports.look import columns
from reports.look.table import Table, TableLayout
from reports.reading.exclusions import marked
from reports.reading.keys import BLOCK
from reports.reading.names import block_title, joined, title_of
from reports.tables._study import GAIN_UNITS, OWN_NOTE, OWN_STATISTICS, delta_columns

_MEAN_NOTE = "Of several draws the number of domains in a heading is the mean."
_NOTES = [
    "Test split. What methods take for domains are the joint values of one domain column, then of"
    " two, and so on; a block says of which, and how many there are in train. Rows and input"
    " features are the same in all blocks, a column that makes no domains being an ordinary input,"
    " and GAUC is always over the full partition.",
    "MAML and STAR have these domains for tasks, while in Table 1 their tasks are the values of one"
    " column; APG and AdaSparse with all columns are the cells of Table 1. Settings are those of"
    " Table 1, tuned values included.",
    "Mean ± sample standard deviation over the runs; bold is the best mean of a block. Δ is the"
    " difference to the plain backbone, the same runs in every block, in units of"
    f" {GAIN_UNITS}, taken run by run.",
    OWN_NOTE,
]


def arrange(table: pd.DataFrame) -> TableLayout:
    """One block per data set, backbone and step."""
    shown = [
        columns.text("Model", lambda row: marked(title_of(row["backbone"], row["method"]), row)),
        *columns.SCORES,
        *delta_columns("plain", "Δ"),
        OWN_STATISTICS,
        columns.RUNS,
    ]
    notes = [*_NOTES, *([_MEAN_NOTE] if (table["draws"] > 1).any() else [])]
    return columns.laid_out(table, shown, notes, by=[*BLOCK, "domain_columns"], heading=_heading)


def _heading(row: columns.Row) -> str:
    names = joined(row["domain_columns"].split("+"))
    return f"{block_title(row)}; methods see {names}: {row['num_domains']:,} domains"


TABLE = Table(
    title="Partitions: ever finer domains",
    section="domains",
    position=80,
    is_folded=True,
    study="partitions",
    tabulate=tabulate,
    arrange=arrange,
)
