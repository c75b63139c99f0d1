"""Table 2: the three formulations of AdaSparse's weighting factors (AdaSparse, table 2)."""

from __future__ import annotations

import pandas as pd

from reports.analysis.differences import compared, is_plain
from reports.look import columns
from reports.look.table import Table, TableLayout
from reports.reading.keys import CELL
from reports.reading.load import Runs
from reports.reading.names import title_of
from reports.tables._study import GAIN_UNITS, study_layout

_MAIN = "Fusion"
_NOTES = [
    "Test split. Mean ± sample standard deviation over the runs; bold is the best mean of a block."
    f" Δ plain is the difference to the plain backbone, Δ {_MAIN} that to {_MAIN}, in units of"
    f" {GAIN_UNITS}, taken run by run.",
    "Binarization prunes neurons and leaves the others as they are, Scaling weighs all and prunes"
    f" none, {_MAIN}, which is AdaSparse as in Table 1, does both. Binarization and Scaling have"
    f" the other settings of {_MAIN}, tuned values included.",
    "Fractional factors: the share of weighting factors that are neither 0 nor 1 in the last batch"
    " of the last epoch, mean over the layers and the seeds (`history.csv` has every layer's); 0"
    " where they are gates alone, as Binarization's must be.",
]
_PREFIX = "fractional/"  # then the layer


def tabulate(runs: Runs) -> pd.DataFrame:
    """The scores and differences of `paired.compared`; main is Fusion."""
    runs = runs.study("formulations")
    table = compared(runs)
    return table if table.empty else table.merge(_fractional(runs), on=CELL, how="left")


def _fractional(runs: Runs) -> pd.DataFrame:
    """`fractional` of each cell with finished runs, nan where the history has none."""
    last = runs.last_values()
    layers = [name for name in last if str(name).startswith(_PREFIX)]
    shares = last[CELL].assign(fractional=last[layers].mean(axis=1))
    return shares.groupby(CELL, as_index=False).mean()


def arrange(table: pd.DataFrame) -> TableLayout:
    """One block per data set and backbone: plain, the changed forms, the main cell."""
    share = columns.number("Fractional factors", "fractional", 3)
    extra = [columns.where_known("fractional", share)]
    place = [0 if is_plain(row) else 1 + (row["changes"] == "") for row in table.to_dict("records")]
    ordered = table.assign(place=place).sort_values("place", kind="stable")
    return study_layout(ordered, _NOTES, extra=extra, model=columns.model(_title), main=_MAIN)


def _title(row: columns.Row) -> str:
    form = "" if is_plain(row) else row["changes"] or _MAIN
    return title_of(row["backbone"], row["method"], form)


TABLE = Table(
    title="Table 2: formulations of the weighting factors",
    section="claims",
    position=30,
    is_folded=True,
    study="formulations",
    tabulate=tabulate,
    arrange=arrange,
)
