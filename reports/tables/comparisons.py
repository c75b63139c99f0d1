"""Comparisons: every test behind a star or an interval of Table 1, by number."""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmark.metrics import METRICS, SCORES
from reports.analysis.comparisons import compare
from reports.analysis.retuned import num_searches, search_notes
from reports.look import columns
from reports.look.part import draws_note
from reports.look.table import Entry, Table, TableLayout, interval_text, number, p_value
from reports.look.units import units_text
from reports.reading.load import Runs
from reports.reading.names import title_of
from reports.statistics.estimates import POOLING_LEVEL
from reports.statistics.paired_tests import LEAST_RANKED, POWER, TEST_LEVEL

_KINDS = {"baseline": "the backbone", "second_best": "the second best"}
_P_VALUES = {
    "two_way_p": "p two-way",
    "two_way_p_holm": "p two-way (Holm)",
    "t_p": "p t",
    "t_p_holm": "p t (Holm)",
    "wilcoxon_p": "p Wilcoxon",
}
_UNITS = units_text(SCORES.values())
_NOTES = [
    "Test split. Each method against its plain backbone; then AdaSparse, and whatever has the best"
    " mean of a column of Table 1, against the second best, which is the other method with the best"
    " mean AUC on dev, so that test rows do not choose the rival. They do choose the best.",
    f"Δ: first minus second, run by run, in units of {_UNITS}, with its 95% interval for other"
    " seeds and other test rows. The spread of the seeds is that of the two methods, unless it is"
    f" small beside that of all methods of the block (F test at {POOLING_LEVEL:g}); then it is the"
    " residual mean square of methods and seeds. What all seeds share,"
    " the choice of the test rows, is the covariance of the seeds' differences over blocks of"
    " time (random groups of rows where the log has no times), and over users where the log"
    " names them; what rows of one user share is not covered where it does not. Critical values are"
    " Student's quantiles of the two, weighted by their variances (Cochran and Cox). p two-way"
    " belongs to the interval. How often it is wrong is in docs/inference.md.",
    "p t: two-sided paired t test over the seeds, which ignores the noise of the test rows. (Holm):"
    " corrected over all tests of the block; a pair of models that is compared in both directions"
    " is one test. * in Table 1: the difference is in favour of the method, and p two-way (Holm)"
    f" is below {TEST_LEVEL}.",
    f"p Wilcoxon: signed-rank test over the seeds, from {LEAST_RANKED} seeds (or draws) on; with"
    f" fewer it cannot reach {TEST_LEVEL}.",
    "p DeLong: for AUC, the mean over the runs of these very models on other test rows, as if all"
    " rows were independent, of users and times too. The mean"
    " is one contrast of correlated AUCs, so that seeds, which share the rows, are not taken for"
    " independent; the noise of training is no part of it. In brackets in how many runs the same"
    f" test finds a difference by itself at the level {TEST_LEVEL}; several draws have that"
    " alone, as their rows are not the same.",
    f"Detectable: the least true difference that p two-way finds with power {POWER} at the level"
    f" {TEST_LEVEL} before correction, given these seeds and rows.",
]


def tabulate(runs: Runs) -> pd.DataFrame:
    """The rows of `comparisons.compare`, with the number of `searches` of each network."""
    table = compare(runs)
    return table if table.empty else table.assign(searches=num_searches(runs))


def _title(row: columns.Row, side: str) -> str:
    if side:
        return title_of(row["other_backbone"], row["other"], row["other_changes"])
    return title_of(row["backbone"], row["method"], row["changes"])


def _delong(row: columns.Row) -> str:
    """Blank where there is none, the count alone where the mean over draws has no test."""
    value, num = row["delong_p"], row["delong_runs"]
    if np.isnan(value):
        return f"({num:.0f})" if row["draws"] > 1 and not np.isnan(num) else ""
    return f"{p_value(value)} ({num:.0f})"


def _unit(row: columns.Row) -> float:
    return METRICS[row["metric"]].difference_unit


_COLUMNS = [
    columns.text("Test", lambda row: Entry(str(row["test"]), anchor=f"test-{row['test']}")),
    columns.text("Comparison", lambda row: f"{_title(row, '')} vs {_title(row, 'other')}"),
    columns.text("Against", lambda row: _KINDS[row["kind"]]),
    columns.text(
        "Metric", lambda row: METRICS[row["metric"]].title + (" *" if row["star"] else "")
    ),
    columns.text("Δ", lambda row: interval_text(row, "delta", 1, unit=_unit(row))),
    *(columns.where_known(name, columns.p_value(title, name)) for name, title in _P_VALUES.items()),
    columns.text("p DeLong", _delong),
    columns.text("Detectable", lambda row: number(row["mde"], 1, unit=_unit(row))),
    columns.RUNS,
]


def arrange(table: pd.DataFrame) -> TableLayout:
    """One block per data set and backbone."""
    tuning = search_notes(table, is_contained=bool(table["has_tuning"].all()))
    notes = [_detectable_note(table), *tuning, *draws_note(table), *_NOTES]
    counted = table.assign(runs=table["pairs"], planned_runs=table["pairs"])
    return columns.laid_out(counted, _COLUMNS, notes)


def _detectable_note(table: pd.DataFrame) -> str:
    """A sentence on the least difference that this report could have found."""
    parts = []
    for metric, rows in table.groupby("metric", sort=False):
        least, one = rows["mde"].to_numpy(np.float64), METRICS[str(metric)]
        if not np.isnan(least).all():
            median = number(float(np.nanmedian(least)), 1, unit=one.difference_unit)
            parts.append(f"{median} of {one.title}")
    pairs = " or ".join(map(str, sorted(set(table["pairs"]))))
    if not parts:
        return "What could be found: nothing, as no two models share two runs."
    return (
        f"With {pairs} runs of both this report cannot be relied on to see a difference of less"
        f" than {', '.join(parts)} (medians over the comparisons, in units of {_UNITS})."
    )


TABLE = Table(
    title="Tests: every comparison of Table 1",
    section="evidence",
    position=10,
    is_folded=True,
    study="main",
    tabulate=tabulate,
    arrange=arrange,
)
