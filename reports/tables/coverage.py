"""Coverage: how much of the test split GAUC sees, and whether predictions are calibrated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.layout import Entry, Layout, Table, blocks_of, number, spread
from reports.load import MODEL
from reports.names import title_of

if TYPE_CHECKING:
    import pandas as pd

    from reports.load import Runs

_AVERAGED = ["macro_auc", "calibration", "gauc_row_share"]
_COUNTED = ["domains", "gauc_domains"]
_NOTES = [
    "GAUC (weighted by impressions) and macro AUC (unweighted) are means over the test domains"
    " that have both clicks and non-clicks; the other domains have no AUC and are left out.",
    "Calibration is the mean predicted over the mean observed click rate; 1 is perfect.",
]


def tabulate(runs: Runs) -> pd.DataFrame:
    """Mean and sample standard deviation over the finished seeds; the counts do not vary."""
    runs = runs.study("main")
    scores = runs.metrics()
    if scores.empty:
        return scores
    grouped = scores.groupby(MODEL)
    means = grouped[_AVERAGED].mean(skipna=False).add_suffix("_mean")
    stds = grouped[_AVERAGED].std(skipna=False).add_suffix("_std")
    counts = grouped[_COUNTED].max().astype("int64")
    numbers = means.join(stds.drop(columns="gauc_row_share_std")).join(counts).reset_index()
    return runs.models[MODEL].merge(numbers, on=MODEL)


def arrange(table: pd.DataFrame) -> Layout:
    """One block per data set and backbone."""
    columns = ["Model", "Macro AUC", "Calibration", "Domains in GAUC", "Rows in GAUC"]
    return Layout(columns=columns, blocks=blocks_of(table, _entries), notes=_NOTES)


def _entries(block: pd.DataFrame) -> list[list[Entry]]:
    return [
        [
            Entry(title_of(row["backbone"], row["method"])),
            Entry(spread(row["macro_auc_mean"], row["macro_auc_std"], 4)),
            Entry(spread(row["calibration_mean"], row["calibration_std"], 3)),
            Entry(f"{row['gauc_domains']:,} of {row['domains']:,}"),
            Entry(number(100 * row["gauc_row_share_mean"], 1) + "%"),
        ]
        for row in block.to_dict("records")
    ]


TABLE = Table(
    title="What GAUC covers, and calibration", position=3, tabulate=tabulate, arrange=arrange
)
