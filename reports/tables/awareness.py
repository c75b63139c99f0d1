"""Awareness: what of each method's gain is domain awareness, and what its capacity alone."""

from __future__ import annotations

import math
from functools import partial

import pandas as pd

from benchmark.metrics import SCORES
from reports.claims.awareness import METRICS, PARTS, answers, tabulate
from reports.look import columns
from reports.look.table import Table, TableLayout, interval_text
from reports.look.units import units_text

_UNITS = units_text(SCORES[name] for name in METRICS)
_NO_SHARE = "\N{EN DASH}"
_NOTES = [
    "Test split. The placebo of a method is the method with as many domains and tasks of the same"
    " sizes that say nothing: within each split every row is told the domain, the task and e_d of"
    " another row, by a hash. The inputs are the same in all three arms, the row's own domain"
    " columns among them, and GAUC is over the true domains.",
    "Gain = method \N{MINUS SIGN} plain, awareness = method \N{MINUS SIGN} placebo, capacity ="
    f" placebo \N{MINUS SIGN} plain; the first is the sum of the others. In units of {_UNITS}, run"
    " by run over the draws and seeds of all three arms, with 95% intervals for other draws, or for"
    " other seeds and other test rows where a log was drawn once; none is corrected for the number"
    " of comparisons. The scores of the arms are in awareness.csv.",
    "Share: awareness / gain with Fieller's 95% confidence set (1954). It is not defined"
    f" ({_NO_SHARE}) where the gain is not clearly above 0: the set is then unbounded. Capacity may"
    " be negative, and the share above 1: parameters of domains that say nothing each see a part of"
    " the rows for no use.",
    "Added parameters: the rows of e_d in the placebo's embedding table, which keep its gradient"
    " away from the inputs; a method that reads no e_d has none. All other parameters are as many.",
]


def _difference(part: str, row: columns.Row) -> str:
    return interval_text(row, part, 1, unit=SCORES[row["metric"]].difference_unit)


def _share_text(row: columns.Row) -> str:
    is_undefined = math.isnan(row["share_low"])
    return _NO_SHARE if is_undefined else interval_text(row, "share", 2, signed=False)


_COLUMNS = [
    columns.MODEL,
    columns.text("Metric", lambda row: SCORES[row["metric"]].title),
    *(columns.text(part.capitalize(), partial(_difference, part)) for part in PARTS),
    columns.text("Share", _share_text),
    columns.number("Added parameters", "added_parameters", 0),
    columns.RUNS,
]


def arrange(table: pd.DataFrame) -> TableLayout:
    """One block per data set and backbone, a row per method and metric."""
    return columns.laid_out(table, _COLUMNS, [*answers(table), *_NOTES])


TABLE = Table(
    title="Domain awareness or capacity: every method against its placebo",
    section="result",
    position=40,
    is_folded=True,
    study="controls",
    tabulate=tabulate,
    arrange=arrange,
)
