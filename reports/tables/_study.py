"""Columns that the tables of studies share: differences, sparsity, statistics of own tasks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import pandas as pd

from benchmark.metrics import GAINS, Metric
from reports.analysis.differences import OWN_SHARE, is_plain
from reports.analysis.sparsity import SPARSITY, layers_of
from reports.look import columns
from reports.look.table import TableLayout
from reports.look.units import units_text

GAIN_UNITS = units_text(GAINS.values())
_ITSELF: dict[str, Callable[[columns.Row], bool]] = {  # where there is nothing to compare with
    "plain": is_plain,
    "main": lambda row: row["changes"] == "",
}


def study_layout(
    table: pd.DataFrame,
    notes: Sequence[str],
    *,
    extra: Sequence[columns.TableColumn],
    counts: Sequence[columns.TableColumn] = (),
    model: columns.TableColumn = columns.MODEL,
    main: str = "main",
) -> TableLayout:
    """A table of `compared`: scores, differences to the plain and to the main cell, and others.

    `counts` stand before the scores, `extra` behind the differences; `main` names the main cell.
    """
    shown = [
        *(model, *counts, *columns.SCORES),
        *delta_columns("plain", "Δ plain"),
        *delta_columns("main", f"Δ {main}"),
        *(*extra, columns.RUNS),
    ]
    return columns.laid_out(table, shown, notes)


def delta_columns(against: Literal["plain", "main"], words: str) -> list[columns.TableColumn]:
    """The gains of `compared`, to the plain backbone or the main cell."""
    gains = [
        columns.of_metric(
            name, difference(f"{words} {metric.title}", f"{name}_delta_{against}", metric)
        )
        for name, metric in GAINS.items()
    ]
    return [columns.blank_where(_ITSELF[against], one) for one in gains]


def difference(title: str, name: str, metric: Metric) -> columns.TableColumn:
    """The mean differences of a metric ± their standard deviation."""
    return columns.spread(title, name, 1, signed=True, unit=metric.difference_unit)


def sparsity_columns(table: pd.DataFrame) -> list[columns.TableColumn]:
    """The ratio of each layer and how many are in the band, blank where nothing is pruned."""
    counts = columns.text(
        "In band", lambda row: f"{row['layers_in_band']:.0f} of {row['layers']:.0f}"
    )
    return [
        *(
            columns.where_known(layer + SPARSITY, columns.number(layer, layer + SPARSITY, 3))
            for layer in layers_of(table)
        ),
        columns.where_known("layers", counts),
    ]


OWN_STATISTICS = columns.where_known(
    OWN_SHARE, columns.text("Own statistics", lambda row: f"{row[OWN_SHARE]:.0%}")
)
OWN_NOTE = (
    "Own statistics: of the tasks with train rows, the share that ever had as many rows in one"
    " batch as STAR's normalisation needs to take that batch's statistics of the task (`min_rows`),"
    " mean over the runs. All other tasks are normalised by running statistics, which follow their"
    " rows."
)
