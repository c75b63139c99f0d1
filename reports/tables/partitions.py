"""Partitions: every method with ever finer domains, column by column (after AdaSparse, fig. 3c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from reports.analysis.differences import below, is_plain
from reports.analysis.own_statistics import OWN_COLUMN, OWN_NOTE, own_entry
from reports.analysis.partitions import MODEL, tabulate
from reports.look.entries import (
    delta_columns,
    delta_entries,
    runs_entry,
    score_columns,
    score_entries,
)
from reports.look.table import Block, Entry, Layout, Table
from reports.reading.capped import marked
from reports.reading.names import BASELINE, data_title, joined, title_of

if TYPE_CHECKING:
    pass

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
    " difference to the plain backbone, the same runs in every block, in units of 0.0001, taken"
    " run by run.",
    OWN_NOTE,
]


def arrange(table: pd.DataFrame) -> Layout:
    """One block per data set, backbone and step."""
    blocks = []
    for (dataset, partition, backbone, columns), rows in table.groupby(
        [*MODEL, "domain_columns"], sort=False
    ):
        log = data_title(str(dataset), str(partition))
        names = str(columns).split("+")
        heading = (
            f"{log}, {title_of(str(backbone), BASELINE)}; methods see {joined(names)}:"
            f" {rows['num_domains'].iloc[0]:,} domains"
        )
        blocks.append(Block(heading=heading, rows=_entries(rows)))
    return Layout(
        columns=["Model", *score_columns(), *delta_columns(), OWN_COLUMN, "Runs"],
        blocks=blocks,
        notes=[*_NOTES, *([_MEAN_NOTE] if (table["draws"] > 1).any() else []), *below(table)],
    )


def _entries(block: pd.DataFrame) -> list[list[Entry]]:
    return [
        [
            Entry(marked(title_of(row["backbone"], row["method"]), row)),
            *scores,
            *delta_entries(row, "delta_plain", is_shown=not is_plain(row)),
            own_entry(row),
            runs_entry(row),
        ]
        for row, scores in zip(block.to_dict("records"), score_entries(block), strict=True)
    ]


TABLE = Table(
    title="Partitions: ever finer domains",
    section="domains",
    position=9,
    study="partitions",
    tabulate=tabulate,
    arrange=arrange,
)
