"""Coverage: how much of the test split GAUC sees, and whether predictions are calibrated."""

from __future__ import annotations

from functools import partial

import pandas as pd

from reports.look import columns
from reports.look.table import Table, number
from reports.reading.keys import DATA, MODEL
from reports.reading.load import Runs

_AVERAGED = ["macro_auc", "calibration", "gauc_row_share"]
_COUNTED = ["domains", "gauc_domains"]
_NOTES = [
    "GAUC (weighted by impressions) and macro AUC (unweighted) are means over the test domains"
    " that have both clicks and non-clicks; the other domains have no AUC and are left out. Those"
    " are counted with their rows, by what they lack; they are the same for all models.",
    "Calibration is the mean predicted over the mean observed click rate; 1 is perfect.",
]


def tabulate(runs: Runs) -> pd.DataFrame:
    """Mean and sample standard deviation over the finished runs; the counts vary by draw alone.

    They are totals over the draws.
    `domains_without_<class>` have no AUC on test, nor have their `rows_without_<class>`.
    """
    runs = runs.study("main")
    scores = runs.metrics()
    if scores.empty:
        return scores
    grouped = scores.groupby(MODEL)
    by_draw = scores.groupby([*MODEL, "draw"])
    means = grouped[_AVERAGED].mean(skipna=False).add_suffix("_mean")
    stds = grouped[_AVERAGED].std(skipna=False).add_suffix("_std")
    counts = by_draw[_COUNTED].max().groupby(MODEL).sum().astype("int64")
    numbers = means.join(stds.drop(columns="gauc_row_share_std")).join(counts).reset_index()
    undefined = pd.DataFrame(
        log.family._asdict() | _undefined(runs.domains(fingerprint))
        for log, fingerprint in runs.fingerprints.items()
    )
    undefined = undefined.groupby(DATA, as_index=False).sum()
    return runs.models[[*MODEL, "draws"]].merge(numbers, on=MODEL).merge(undefined, on=DATA)


def _undefined(domains: pd.DataFrame) -> dict[str, int]:
    """The test domains of one class and their rows, by the class that they lack."""
    rows, clicks = domains["test_impressions"], domains["test_clicks"]
    lacking = {"clicks": (clicks == 0) & (rows > 0), "non_clicks": (clicks == rows) & (rows > 0)}
    counts = {f"domains_without_{name}": int(is_in.sum()) for name, is_in in lacking.items()}
    return counts | {
        f"rows_without_{name}": int(rows[is_in].sum()) for name, is_in in lacking.items()
    }


def _undefined_text(name: str, row: columns.Row) -> str:
    return f"{row[f'domains_without_{name}']:,} ({row[f'rows_without_{name}']:,} rows)"


_COLUMNS = [
    columns.MODEL,
    columns.spread("Macro AUC", "macro_auc", 4),
    columns.spread("Calibration", "calibration", 3),
    columns.text("Domains in GAUC", lambda row: f"{row['gauc_domains']:,} of {row['domains']:,}"),
    columns.text("Rows in GAUC", lambda row: number(100 * row["gauc_row_share_mean"], 1) + "%"),
    *(
        columns.text(f"No AUC: no {title}", partial(_undefined_text, name))
        for name, title in (("clicks", "click"), ("non_clicks", "non-click"))
    ),
]


TABLE = Table(
    title="What GAUC covers, and calibration",
    section="evidence",
    position=60,
    is_folded=True,
    study="main",
    tabulate=tabulate,
    arrange=partial(columns.laid_out, columns=_COLUMNS, notes=_NOTES),
)
