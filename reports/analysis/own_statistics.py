"""For how many tasks a normalisation by task had statistics of their own: a column of tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from reports.look.table import Entry
from reports.reading.keys import CELL

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from reports.reading.load import Runs

OWN_COLUMN = "Own statistics"
OWN_NOTE = (
    f"{OWN_COLUMN}: of the tasks with train rows, the share that ever had as many rows in one batch"
    " as STAR's normalisation needs to take that batch's statistics of the task (`min_rows`), mean"
    " over the runs. All other tasks are normalised by running statistics, which follow their rows."
)
_SHARE = "whole_statistics"  # in the history of a method that normalises by task


def with_own_statistics(table: pd.DataFrame, runs: Runs) -> pd.DataFrame:
    """The table with `whole_statistics` of its cells, nan where a method does not normalise so."""
    last = runs.last_values().reindex(columns=[*CELL, _SHARE])
    return table.merge(last.groupby(CELL, as_index=False).mean(), on=CELL, how="left")


def own_entry(row: Mapping[Hashable, float]) -> Entry:
    """The share in percent, blank for other methods."""
    share = row[_SHARE]
    return Entry("" if pd.isna(share) else f"{share:.0%}")
