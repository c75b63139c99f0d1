"""Focus: one model against each other model of its backbone, for a column of a paper."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from benchmark.metrics import GAINS
from benchmark.store.focus import FLAG
from reports.analysis.focus import compare_focus
from reports.analysis.retuned import search_notes
from reports.look import columns
from reports.look.part import draws_note
from reports.look.table import Entry, Table, TableLayout, number, p_value
from reports.look.units import units_text
from reports.reading.exclusions import capped_note
from reports.reading.names import block_title, in_words, title_of
from reports.statistics.paired_tests import TEST_LEVEL

_METRICS = in_words(metric.title for metric in GAINS.values())
_UNITS = units_text(GAINS.values())
_NOTES = [
    "The model of the last row against each other model of its backbone, by their means on test."
    f" Δ: the model of the last row minus that of the row, run by run, in units of {_UNITS}, with"
    f" its 95% interval. * p < {TEST_LEVEL}, in either direction: the two-way test after Holm's"
    " correction. Intervals are not corrected; they and the tests are explained under the table of"
    " tests.",
]
_NAMED_NOTE = (
    f"The model of the last row was named with {FLAG}. Holm's correction is over its comparisons"
    f" in {_METRICS}, for one log and backbone, as if it had been named before any result was seen."
    " Who chose it for what the results show should read this table without a name."
)
_CHOSEN_NOTE = (
    "Dev chose the model of the last row, by its mean AUC among the models of its backbone, and"
    " test compares. No test row took part, but a seed or draw that suits a model suits it on dev"
    " and on test. So the choice is corrected for: Holm's correction is over all pairs of models"
    f" in {_METRICS}, for one log and backbone, which holds whichever model is chosen. A model that"
    f" is named beforehand with {FLAG} takes fewer tests."
)


def _score(name: str) -> columns.TableColumn:
    """The mean alone, the best of a block marked."""
    metric = GAINS[name]
    return columns.with_best(
        name, metric, columns.number(metric.title, f"{name}_mean", metric.digits)
    )


def _delta(name: str) -> columns.TableColumn:
    """The difference and its interval, rounded to units, and a star where it is significant."""

    def entry(row: columns.Row) -> Entry:
        unit = GAINS[name].difference_unit
        mean, low, high = (row[f"{name}_delta_{end}"] for end in ("mean", "low", "high"))
        text = number(mean, 0, signed=True, unit=unit)
        if not np.isnan(low):
            text += f" [{number(low, 0, unit=unit)}, {number(high, 0, unit=unit)}]"
        tip = f"p {p_value(row[f'{name}_p'])}, after Holm's correction over"
        tip += f" {row['tests']} tests {p_value(row[f'{name}_p_holm'])}"
        return Entry(f"{text}*" if row[f"{name}_star"] else text, tip=tip)

    shown = columns.text(f"Δ {GAINS[name].title}", entry)
    return columns.of_metric(name, columns.blank_where(lambda row: bool(row["is_focus"]), shown))


_COLUMNS = [columns.MODEL, *map(_score, GAINS), *map(_delta, GAINS)]


def arrange(table: pd.DataFrame) -> TableLayout:
    """One block per log and backbone, the model in focus last."""
    named = [_NAMED_NOTE if table["is_named"].all() else _CHOSEN_NOTE]
    tuning = search_notes(table, is_contained=bool(table["has_tuning"].all()))
    notes = [*_NOTES, *named, *tuning, *draws_note(table), *capped_note(table)]
    is_ambiguous = table.groupby("dataset")["partition"].nunique().max() > 1
    heading = block_title if is_ambiguous else _short_title
    layout = columns.laid_out(table, _COLUMNS, notes, heading=heading)
    return replace(layout, caption=" ".join([_caption(table), *capped_note(table)]))


def _short_title(row: columns.Row) -> str:
    """The log and the backbone, without the domains, which would be wider than a column."""
    return f"{row['dataset']}, {title_of(row['backbone'], 'plain')}"


def _caption(table: pd.DataFrame) -> str:
    """All that a reader of a paper needs."""
    others = table[~table["is_focus"]]
    runs, tests = (
        " or ".join(f"{count}" for count in sorted(set(others[name]))) for name in ("runs", "tests")
    )
    chosen = "" if table["is_named"].all() else ", chosen on dev,"
    return (
        f"{_METRICS} on test, means of {runs} runs. Δ: the model of the last row{chosen} minus that"
        f" of the row, in units of {_UNITS}, with its 95% interval. * p < {TEST_LEVEL} after Holm's"
        f" correction over {tests} tests."
    )


TABLE = Table(
    title="For a paper: one model against each other",
    section="result",
    position=30,
    is_folded=True,
    study="main",
    tabulate=compare_focus,
    arrange=arrange,
)
