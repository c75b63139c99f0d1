"""Controls: whether gains come from domain awareness, from capacity, or from what a domain is."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from reports.analysis.differences import compared, with_own_statistics
from reports.look import columns
from reports.look.table import Table, TableLayout
from reports.reading.keys import CELL
from reports.reading.load import Runs
from reports.tables._study import GAIN_UNITS, OWN_NOTE, OWN_STATISTICS, study_layout

_COUNTED = {"dense_parameters": "Dense parameters", "domain_parameters": "Domain parameters"}
_NOTES = [
    "Test split, GAUC over the full partition in every row. Mean ± sample standard deviation over"
    " the runs; bold is the best mean of a block. Dense parameters are those that every row uses,"
    " domain parameters those that grow with the number of domains or tasks.",
    "Δ plain is the difference to the plain backbone, Δ main that to the same method without the"
    f" change, in units of {GAIN_UNITS}, taken run by run. For a width-matched plain"
    " network, whose hidden layers are scaled until a row reads about as many parameters as one of"
    " the method that it is matched to, Δ main is the difference to that method.",
    "Every method has two controls here: itself told no domain, and a plain network of its width,"
    " but for methods whose rows read no more parameters than plain's. What part of each method's"
    " gain is domain awareness is told by its placebo, which has the same parameters: see the table"
    " awareness.",
    "Task = full partition: the method's tasks are the domains that GAUC groups by, in place of one"
    " column's values. Domain = one column only: e_d and the domain id come from that column; the"
    " other domain columns stay ordinary inputs.",
    OWN_NOTE,
]


def tabulate(runs: Runs) -> pd.DataFrame:
    """The scores and differences of `paired.compared`, with the parameters of each model.

    `whole_statistics` is that of `own_statistics`. Placebos have a table of their own.
    """
    runs = runs.study("controls")
    runs = replace(runs, cells=tuple(c for c in runs.cells if not c.config.is_placebo))
    table = compared(runs)
    if table.empty:
        return table
    parameters = runs.costs().groupby(CELL)[[*_COUNTED]].first().reset_index()
    return with_own_statistics(table.merge(parameters, on=CELL, how="left"), runs)


def arrange(table: pd.DataFrame) -> TableLayout:
    """One block per data set and backbone."""
    counts = [columns.number(title, name, 0) for name, title in _COUNTED.items()]
    return study_layout(table, _NOTES, counts=counts, extra=[OWN_STATISTICS])


TABLE = Table(
    title="Controls: domain awareness or capacity",
    section="result",
    position=50,
    is_folded=True,
    study="controls",
    tabulate=tabulate,
    arrange=arrange,
)
