"""Over logs: the mean rank of every model, and on how many of its logs it gains."""

from __future__ import annotations

import pandas as pd

from reports.analysis.ranking import over_logs, ranking
from reports.look import columns
from reports.look.table import Table, TableBlock, TableLayout
from reports.reading.keys import DATA
from reports.reading.load import Runs
from reports.reading.names import data_title, in_words, model_title
from reports.statistics.paired_tests import TEST_LEVEL

_NOTES = [
    "Mean rank: of the ranks of the leaderboard, 1 being the best of a log. Gains: the share of the"
    " model's logs on which its mean AUC on test is above that of its plain backbone, and on which"
    f" the difference is told from 0 (p < {TEST_LEVEL} after Holm's correction on that log).",
    "A description of these logs: they are no sample of all logs, and those of one generator are"
    " alike.",
]


def tabulate(runs: Runs) -> pd.DataFrame:
    """The rows of `ranking.over_logs`, and the names of the logs; none for a single log."""
    table = ranking(runs)
    logs = table[DATA].drop_duplicates() if len(table) else table
    if len(logs) < 2:
        return pd.DataFrame()
    names = [data_title(*row) for row in logs.itertuples(index=False, name=None)]
    return over_logs(table).assign(names=in_words(names))


def _share(name: str, row: columns.Row) -> str:
    return "" if pd.isna(row[name]) else f"{row[name]} of {row['logs']}"


_COLUMNS = [
    columns.text("Model", lambda row: model_title(row["backbone"], row["method"])),
    columns.number("Mean rank", "mean_rank", 1),
    columns.text("Gains", lambda row: _share("gains", row)),
    columns.text("Told", lambda row: _share("told", row)),
]


def arrange(table: pd.DataFrame) -> TableLayout:
    """One block of all models, the best mean rank first."""
    heading = f"Over {table['names'].iloc[0]}"
    return TableLayout(
        columns=[one.title for one in _COLUMNS],
        blocks=[TableBlock(heading=heading, rows=columns.entries_of(table, _COLUMNS))],
        notes=_NOTES,
    )


TABLE = Table(
    title="Over several logs: mean ranks, and where methods gain",
    section="result",
    position=16,
    study="zoo",
    tabulate=tabulate,
    arrange=arrange,
)
