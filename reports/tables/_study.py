"""Columns that the tables of studies share: differences, sparsity, statistics of own tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from benchmark.metrics import GAINS
from reports.analysis.differences import is_plain
from reports.analysis.own_statistics import OWN_SHARE
from reports.analysis.sparsity import SPARSITY, layers_of
from reports.look.columns import (
    blank_where,
    column,
    number_column,
    spread_column,
    where_known,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from reports.look.columns import Row, TableColumn

_ITSELF: dict[str, Callable[[Row], bool]] = {  # where there is nothing to compare with
    "plain": is_plain,
    "main": lambda row: row["changes"] == "",
}


def delta_columns(against: Literal["plain", "main"], words: str) -> list[TableColumn]:
    """The gains of `compared`, to the plain backbone or the main cell."""
    columns = [
        spread_column(f"{words} {metric.title}", f"{name}_delta_{against}_e4", 1, signed=True)
        for name, metric in GAINS.items()
    ]
    return [blank_where(_ITSELF[against], one) for one in columns]


def sparsity_columns(table: pd.DataFrame) -> list[TableColumn]:
    """The ratio of each layer and how many are in the band, blank where nothing is pruned."""
    counts = column("In band", lambda row: f"{row['layers_in_band']:.0f} of {row['layers']:.0f}")
    return [
        *(
            where_known(layer + SPARSITY, number_column(layer, layer + SPARSITY, 3))
            for layer in layers_of(table)
        ),
        where_known("layers", counts),
    ]


OWN_STATISTICS = where_known(
    OWN_SHARE, column("Own statistics", lambda row: f"{row[OWN_SHARE]:.0%}")
)
OWN_NOTE = (
    "Own statistics: of the tasks with train rows, the share that ever had as many rows in one"
    " batch as STAR's normalisation needs to take that batch's statistics of the task (`min_rows`),"
    " mean over the runs. All other tasks are normalised by running statistics, which follow their"
    " rows."
)
