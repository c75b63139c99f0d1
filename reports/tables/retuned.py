"""Second search: every main cell with the values of two searches, and what their luck adds."""

from __future__ import annotations

import math

import pandas as pd

from benchmark.metrics import GAINS
from reports.analysis.retuned import STUDY, compare_searches
from reports.look import columns
from reports.look.table import Table, TableLayout, number
from reports.reading.keys import BLOCK
from reports.reading.names import block_title
from reports.tables._study import GAIN_UNITS, difference

_NOTES = [
    "Test split, means over the draws and seeds that both cells have. The searches of a model have"
    " the same number of trials, training seed and log; all that they draw differs, but for trial"
    " 0, which has the papers' values in both. Δ: second minus first, run by run, in units of"
    f" {GAIN_UNITS}, mean ± standard deviation over the runs.",
    "How much a comparison changes is a standard deviation. It is estimated from the differences of"
    " the models of a backbone, less their mean, which is no part of a comparison, and less what"
    " the noise of training explains. The two searches have trial 0 in common: it is an estimate"
    " from few models, not a bound.",
]


def arrange(table: pd.DataFrame) -> TableLayout:
    """One block per data set and backbone."""
    scores = [
        one
        for name, metric in GAINS.items()
        for one in (
            columns.number(f"{metric.title}, first", f"{name}_first", metric.digits),
            columns.number(f"{metric.title}, second", f"{name}_second", metric.digits),
            difference(f"Δ {metric.title}", f"{name}_delta", metric),
        )
    ]
    shown = [columns.MODEL, *scores, columns.RUNS]
    return columns.laid_out(table, shown, [*_luck(table), *_NOTES])


def _luck(table: pd.DataFrame) -> list[str]:
    """Sentences on what the luck of two searches moves in comparisons, per log and backbone."""
    lines = []
    for _, rows in table.groupby(BLOCK, sort=False):
        first = rows.iloc[0]
        num_models = int((rows["runs"] > 0).sum())
        sizes = {metric: first[f"{name}_anew"] for name, metric in GAINS.items()}
        if all(math.isfinite(size) for size in sizes.values()):
            parts = [
                f"{number(size, 1, unit=metric.difference_unit)} of {metric.title}"
                if size
                else f"nothing that is seen of {metric.title}"
                for metric, size in sizes.items()
            ]
            lines.append(
                f"{block_title(first)}: a comparison of two models changes by about"
                f" {' and '.join(parts)}, in units of {GAIN_UNITS}, when both are searched anew"
                f" ({num_models} models)."
            )
    return lines


TABLE = Table(
    title="Second search: what the luck of tuning adds",
    section="evidence",
    position=30,
    is_folded=True,
    study=STUDY,
    tabulate=compare_searches,
    arrange=arrange,
)
