"""AdaSparse with other bounds of its sparsity ratio (after AdaSparse, figure 3d)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.analysis.differences import compared
from reports.analysis.sparsity import reached
from reports.reading.keys import CELL

if TYPE_CHECKING:
    import pandas as pd

    from reports.reading.load import Runs


def tabulate(runs: Runs) -> pd.DataFrame:
    """The scores and differences of `paired.compared`, and the sparsity of `reached`."""
    runs = runs.study("sparsity")
    table = compared(runs)
    return table if table.empty else table.merge(reached(runs), on=CELL, how="left")
