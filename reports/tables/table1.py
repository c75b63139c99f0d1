"""Table 1: LogLoss, AUC and GAUC of every method on every backbone (AdaSparse, table 1)."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pandas as pd

from benchmark.metrics import SCORES
from reports.analysis.leaderboard import COSTS, leaderboard
from reports.analysis.retuned import search_notes
from reports.look import columns
from reports.look.part import draws_note
from reports.look.table import Entry, Table, TableLayout, interval_text, p_value
from reports.look.units import units_text
from reports.reading.exclusions import capped_note
from reports.reading.keys import DATA
from reports.reading.load import Runs
from reports.reading.names import CEILING, REFERENCE, data_title, joined, networks
from reports.statistics.paired_tests import TEST_LEVEL

_LOWER = joined([metric.title for metric in SCORES.values() if metric.lower_is_better])
_UNITS = units_text(SCORES.values())
_NOTES = [
    "Mean ± sample standard deviation over the runs on test, and Δ, the difference to the plain"
    f" backbone in units of {_UNITS} with its 95% interval. Bold is the best mean of a block; for"
    f" {_LOWER} lower is better.",
    "Δ is taken run by run: two runs"
    " with one seed see the same data order and start from the same values of what they share."
    " Its interval allows for other seeds and for other test rows, and is not corrected for the"
    " number of comparisons; the notes of the table of tests say how.",
    "* The best of its column beats the second best, chosen by mean AUC on dev: the two-way test"
    f" has p < {TEST_LEVEL} after Holm's correction over the tests of the block. Every star and"
    " every Δ links to its row in the table of tests, which says how small a difference could be"
    " found at all.",
]
_REFERENCE_NOTE = (
    "References: what one would pick instead of a network, on the same rows, codes, metrics and"
    " number of trials. Logistic regression has one optimum, so that its seeds are equal."
)
_CEILING_NOTE = (
    "Ceiling: the metrics of the true click probability on the same rows; no model can be"
    " expected to do better."
)


def tabulate(runs: Runs) -> pd.DataFrame:
    """The rows of `leaderboard` without costs, so that equal runs give equal files."""
    return leaderboard(runs).drop(columns=[f"{cost}_ratio" for cost in COSTS], errors="ignore")


def arrange(table: pd.DataFrame) -> TableLayout:
    """One block per data set and backbone, then its references and its ceiling."""
    shown = [
        columns.MODEL,
        *(_starred(name, one) for name, one in zip(SCORES, columns.SCORES, strict=True)),
        *columns.of_methods(*map(_delta_column, SCORES)),
        columns.RUNS,
    ]
    is_ceiling, is_reference = (table["method"] == name for name in (CEILING, REFERENCE))
    tuning = search_notes(table, is_contained=bool(table["has_tuning"].all()))
    notes = [*_NOTES, *tuning, *draws_note(table), *capped_note(table)]
    notes += [_REFERENCE_NOTE] if is_reference.any() else []
    notes += [_CEILING_NOTE] if is_ceiling.any() else []
    layout = columns.laid_out(networks(table), shown, notes)
    for words, rows in (("references", table[is_reference]), ("ceiling", table[is_ceiling])):
        layout.blocks.extend(columns.blocks_of(rows, shown, DATA, partial(_heading, words)))
    return layout


def _heading(words: str, row: columns.Row) -> str:
    return f"{data_title(row['dataset'], row['partition'])}, {words}"


def _starred(metric: str, scores: columns.TableColumn) -> columns.TableColumn:
    """The scores, the best with its star if it earned one."""

    def entries(block: pd.DataFrame) -> list[Entry]:
        return [
            score
            if pd.isna(test) or not score.is_best
            else replace(score, text=f"{score.text} *", link=f"test-{test}")
            for test, score in zip(block[f"{metric}_star_test"], scores.entries(block), strict=True)
        ]

    return columns.TableColumn(scores.title, entries)


def _delta_column(metric: str) -> columns.TableColumn:
    """The differences to the plain backbone, each with a link to its test."""
    shown = columns.text(f"Δ {SCORES[metric].title}", partial(_delta, metric))
    return columns.of_metric(metric, shown)


def _delta(metric: str, row: columns.Row) -> Entry:
    test = row[f"{metric}_test"]
    text = interval_text(row, f"{metric}_delta", 1, unit=SCORES[metric].difference_unit)
    if pd.isna(test):
        return Entry(text)
    tip = f"p {p_value(row[f'{metric}_p'])} after Holm's correction; test {test}"
    return Entry(text, link=f"test-{test}", tip=tip)


TABLE = Table(
    title="Table 1: multi-domain CTR prediction",
    section="result",
    position=20,
    study="main, references",
    tabulate=tabulate,
    arrange=arrange,
)
