"""Every method with ever finer domains, column by column (after AdaSparse, figure 3c)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from reports.analysis.differences import compared, with_own_statistics
from reports.reading.keys import BLOCK, CELL, Family, family_of
from reports.reading.load import Runs
from reports.reading.names import BASELINE

_STEP = ["domain_columns", "num_columns", "num_domains"]


def tabulate(runs: Runs) -> pd.DataFrame:
    """Per step the plain backbone and every method: the numbers of `differences.compared`.

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
    steps = seen[[*BLOCK, *_STEP]].drop_duplicates()
    plain = table[(table["method"] == BASELINE) & (table["changes"] == "")]
    rows = pd.concat([plain.merge(steps, on=BLOCK), table.merge(seen, on=CELL)])
    model = rows.groupby(BLOCK, sort=False).ngroup()
    return rows.iloc[np.lexsort((rows["num_columns"], model))].reset_index(drop=True)


def _seen(runs: Runs) -> pd.DataFrame:
    """The domain columns that the methods see, one row per cell of the nested series.

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
    families = {family for family, _ in found.values()}
    tables = {family: _values_in_train(runs, family) for family in families}
    rows = [
        [*key, "+".join(columns), len(columns), _num_domains(tables[family], columns)]
        for key, (family, columns) in found.items()
    ]
    return pd.DataFrame(rows, columns=[*CELL, *_STEP])


def _num_domains(draws: Sequence[pd.DataFrame], columns: tuple[str, ...]) -> int:
    """The number of joint values of the columns, mean over the draws as whole number."""
    return round(float(np.mean([len(one[[*columns]].drop_duplicates()) for one in draws])))


def _values_in_train(runs: Runs, family: Family) -> list[pd.DataFrame]:
    """The values of the domains of train, draw by draw."""
    return [
        runs.values_of_domains(log, family)[runs.domains(log)["train_impressions"] > 0]
        for log in runs.families[family].values()
    ]
