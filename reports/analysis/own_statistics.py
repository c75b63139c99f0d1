"""For how many tasks a normalisation by task had statistics of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.reading.keys import CELL

if TYPE_CHECKING:
    import pandas as pd

    from reports.reading.load import Runs

OWN_SHARE = "whole_statistics"  # in the history of a method that normalises by task


def with_own_statistics(table: pd.DataFrame, runs: Runs) -> pd.DataFrame:
    """The table with `whole_statistics` of its cells, nan where a method does not normalise so."""
    last = runs.last_values().reindex(columns=[*CELL, OWN_SHARE])
    return table.merge(last.groupby(CELL, as_index=False).mean(), on=CELL, how="left")
