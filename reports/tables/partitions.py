"""Partitions: every method with ever finer domains, column by column (after AdaSparse, fig. 3c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from reports.capped import marked
from reports.keys import CELL, DATA, family_of
from reports.layout import Block, Entry, Layout, Table
from reports.names import BASELINE, data_title, joined, title_of
from reports.own_statistics import OWN_COLUMN, OWN_NOTE, own_entry, with_own_statistics
from reports.paired import below, compared, delta_entries, is_plain, runs_entry, score_entries

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reports.load import Runs

_SHOWN = ("auc", "gauc")
_MODEL = [*DATA, "backbone"]
_STEP = ["domain_columns", "num_columns", "num_domains"]
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


def tabulate(runs: Runs) -> pd.DataFrame:
    """Per step the plain backbone and every method: the numbers of `paired.compared`.

    `domain_columns`, `num_columns` and `num_domains`, those in train, say what methods see. Of
    several draws `num_domains` is the mean, as a whole number; `whole_statistics` is that of
    `own_statistics`.
    """
    runs = runs.study("partitions")
    table = compared(runs)
    if table.empty:
        return table
    table = table.loc[:, ~table.columns.str.contains("_delta_main_")]
    table = with_own_statistics(table, runs)
    seen = _seen(runs)
    steps = seen[[*_MODEL, *_STEP]].drop_duplicates()
    plain = table[(table["method"] == BASELINE) & (table["changes"] == "")]
    rows = pd.concat([plain.merge(steps, on=_MODEL), table.merge(seen, on=CELL)])
    model = rows.groupby(_MODEL, sort=False).ngroup()
    return rows.iloc[np.lexsort((rows["num_columns"], model))].reset_index(drop=True)


def _seen(runs: Runs) -> pd.DataFrame:
    """What the methods of a cell see, one row per cell of the nested series.

    Where a method has a cell whose tasks are the full partition, that is the last of its series and
    the main cell is none of it; else the main cell is the last.
    """
    with_full_task = {cell.config.folder for cell in runs.cells if cell.config.has_full_task}
    found = {}
    for cell in runs.cells:
        config = cell.config
        is_last = config.has_full_task or config.folder not in with_full_task
        if config.method != BASELINE and (config.has_own_domains or is_last):
            found[cell.key] = (family_of(config), config.domain_columns)
    tables = {
        family: [runs.domains(log) for log in runs.families[family].values()]
        for family in {family for family, _ in found.values()}
    }
    rows = [
        [*key, "+".join(columns), len(columns), _mean_domains(tables[family], columns)]
        for key, (family, columns) in found.items()
    ]
    return pd.DataFrame(rows, columns=[*CELL, *_STEP])


def _mean_domains(draws: Sequence[pd.DataFrame], columns: tuple[str, ...]) -> int:
    """Their number in train, mean over the draws as a whole number."""
    return round(float(np.mean([_num_domains(domains, columns) for domains in draws])))


def _num_domains(domains: pd.DataFrame, columns: tuple[str, ...]) -> int:
    """How many joint values of the columns train shows."""
    in_train = domains[domains["train_impressions"] > 0]
    return len(in_train[list(columns)].drop_duplicates())


def arrange(table: pd.DataFrame) -> Layout:
    """One block per data set, backbone and step."""
    blocks = []
    for (dataset, partition, backbone, columns), rows in table.groupby(
        [*_MODEL, "domain_columns"], sort=False
    ):
        log = data_title(str(dataset), str(partition))
        names = str(columns).split("+")
        heading = (
            f"{log}, {title_of(str(backbone), BASELINE)}; methods see {joined(names)}:"
            f" {rows['num_domains'].iloc[0]:,} domains"
        )
        blocks.append(Block(heading=heading, rows=_entries(rows)))
    return Layout(
        columns=["Model", "LogLoss", "AUC", "GAUC", "Δ AUC", "Δ GAUC", OWN_COLUMN, "Runs"],
        blocks=blocks,
        notes=[*_NOTES, *([_MEAN_NOTE] if (table["draws"] > 1).any() else []), *below(table)],
    )


def _entries(block: pd.DataFrame) -> list[list[Entry]]:
    return [
        [
            Entry(marked(title_of(row["backbone"], row["method"]), row)),
            *scores,
            *delta_entries(row, "delta_plain", _SHOWN, is_shown=not is_plain(row)),
            own_entry(row),
            runs_entry(row),
        ]
        for row, scores in zip(block.to_dict("records"), score_entries(block), strict=True)
    ]


TABLE = Table(
    title="Partitions: ever finer domains",
    position=17,
    study="partitions",
    tabulate=tabulate,
    arrange=arrange,
)
