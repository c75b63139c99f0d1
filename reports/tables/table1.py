"""Table 1: LogLoss, AUC and GAUC of every method on every backbone (AdaSparse, table 1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Literal

import numpy as np
import pandas as pd

from benchmark.metrics import SCORES
from reports.analysis.comparisons import compare
from reports.analysis.differences import averages, differences, plain_of, rows_of, run_pairs
from reports.analysis.retuned import num_searches, search_notes
from reports.claims.paper import paper_log, paper_scores
from reports.look import columns
from reports.look.part import draws_note
from reports.look.table import Entry, Table, TableLayout, interval_text, number
from reports.look.units import units_text
from reports.reading.exclusions import capped_note
from reports.reading.keys import DATA, MODEL
from reports.reading.load import Runs
from reports.reading.names import BASELINE, CEILING, REFERENCE, data_title, joined, networks
from reports.statistics.paired_tests import TEST_LEVEL

_PRINTED: tuple[Literal["logloss"], Literal["auc"], Literal["gauc"]] = ("logloss", "auc", "gauc")
_FIRST = "logloss"
_ENDS = ("delta_low", "delta_high")
_LOWER = joined([metric.title for metric in SCORES.values() if metric.lower_is_better])
_UNITS = units_text(SCORES.values())
_PAPER_DIGITS = {"logloss": 6, "auc": 4, "gauc": 4}
_NOTES = [
    "Test split. Mean ± sample standard deviation over the runs; bold is the best mean of a"
    f" block. For {_LOWER} lower is better.",
    f"Δ is the difference to the plain backbone in units of {_UNITS}, taken run by run: two runs"
    " with one seed see the same data order and start from the same values of what they share."
    " Its 95% interval allows for other seeds and for other test rows, and is not corrected for the"
    " number of comparisons; the notes of the table of tests say how.",
    "* The best of its column beats the second best, chosen by mean AUC on dev: the two-way test"
    f" has p < {TEST_LEVEL} after Holm's correction over the tests of the block. Every star and"
    " every Δ links to its row in the table of tests, which says how small a difference could be"
    " found at all.",
]
_PAPER_NOTE = (
    f"Paper: Δ in units of {units_text(SCORES[name] for name in _PRINTED)} between the numbers"
    " that AdaSparse's Table 1 prints, then the number itself, with its asterisk. It is another"
    " log: only signs, order and rough sizes of the differences can be compared."
)
_REFERENCE_NOTE = (
    "References: what one would pick instead of a network, on the same rows, codes, metrics and"
    " number of trials. Logistic regression has one optimum, so that its seeds are equal."
)
_CEILING_NOTE = (
    "Ceiling: the metrics of the true click probability on the same rows; no model can be"
    " expected to do better."
)


def tabulate(runs: Runs) -> pd.DataFrame:
    """A row per planned model and reference, then a `ceiling` per data set of known probability.

    That is the mean of the ceilings of the draws. `capped` is the share of runs that the cap on
    epochs stopped.
    `<metric>_mean` and `_std` are over the finished `runs`, `<metric>_delta_mean` and
    `_std` over the `pairs` that share a seed with the baseline; `_low` and `_high` bound the
    interval of `comparisons`, `<metric>_test` is its number there. `<metric>_star_test` is the
    number of the comparison with the second best where that earns a star. `paper_<metric>` and its
    `_delta` are the paper's. Undefined numbers are nan. `searches` is how many each network had,
    and `has_tuning` says whether the intervals contain what they add.
    """
    tests = compare(runs)
    runs = runs.study("main", "references")
    scores = runs.metrics()
    if scores.empty:
        return pd.DataFrame()
    rows = [
        _row(scores, keys)
        | {name: model[name] for name in ("planned_runs", "draws")}
        | _tested(tests, keys)
        for model in runs.models.to_dict("records")
        for keys in [{name: model[name] for name in MODEL}]
    ]
    for family in runs.families:
        best = runs.ceilings(family)
        if len(best):
            keys = {**family._asdict(), "backbone": "", "method": CEILING}
            means = best.mean(skipna=False)
            rows.append(keys | {f"{metric}_mean": means[metric] for metric in SCORES})
    counts = [f"{metric}_{kind}" for metric in SCORES for kind in ("test", "star_test")]
    has_tuning = len(tests) > 0 and bool(tests["has_tuning"].all())
    table = pd.DataFrame(rows).assign(searches=num_searches(runs), has_tuning=has_tuning)
    return table.astype(dict.fromkeys(("runs", "pairs", "planned_runs", "draws", *counts), "Int64"))


def _row(scores: pd.DataFrame, keys: dict[str, str]) -> dict[str, object]:
    own, plain = rows_of(scores, keys), plain_of(scores, keys)
    counts = {"runs": len(own), "pairs": len(run_pairs(own, plain, _FIRST))}
    return keys | counts | averages(own) | differences(own, plain, "delta") | _printed(keys)


def _tested(tests: pd.DataFrame, keys: Mapping[str, str]) -> dict[str, object]:
    """The intervals of a model's differences, the numbers of their tests, and its stars."""
    row: dict[str, object] = {}
    own = tests if tests.empty else rows_of(tests, keys)
    for metric in SCORES:
        row |= {f"{metric}_test": None, f"{metric}_star_test": None}
        row |= {f"{metric}_{end}": np.nan for end in _ENDS}
        for test in own[own["metric"] == metric].to_dict("records") if len(own) else []:
            if test["kind"] == "baseline":
                row[f"{metric}_test"] = test["test"]
                row |= {f"{metric}_{end}": test[end] for end in _ENDS}
            elif test["star"]:
                row[f"{metric}_star_test"] = test["test"]
    return row


def _printed(keys: Mapping[str, str]) -> dict[str, object]:
    """The paper's numbers for a model, and its differences to the paper's plain backbone."""
    own, plain = (
        paper_scores(keys["dataset"], keys["backbone"], method)
        for method in (keys["method"], BASELINE)
    )
    if own is None or plain is None:
        return {}
    row: dict[str, object] = {}
    for metric in _PRINTED:
        row[f"paper_{metric}"] = own[metric]
        row[f"paper_{metric}_delta"] = own[metric] - plain[metric]
        row[f"paper_{metric}_star"] = metric in own["starred"]
    return row


def arrange(table: pd.DataFrame) -> TableLayout:
    """One block per data set and backbone, then its references and its ceiling."""
    has_paper = f"paper_{_FIRST}" in table
    shown = [
        columns.MODEL,
        *(_starred(name, one) for name, one in zip(SCORES, columns.SCORES, strict=True)),
        *(
            one
            for name, metric in SCORES.items()
            for one in _compared(name, metric.title)[: 1 + (f"paper_{name}" in table)]
        ),
        columns.RUNS,
    ]
    is_ceiling, is_reference = (table["method"] == name for name in (CEILING, REFERENCE))
    tuning = search_notes(table, is_contained=bool(table["has_tuning"].all()))
    notes = [*_NOTES, *tuning, *draws_note(table), *capped_note(table)]
    notes += [_paper_note(table)] if has_paper else []
    notes += [_REFERENCE_NOTE] if is_reference.any() else []
    notes += [_CEILING_NOTE] if is_ceiling.any() else []
    layout = columns.laid_out(networks(table), shown, notes)
    for words, rows in (("references", table[is_reference]), ("ceiling", table[is_ceiling])):
        layout.blocks.extend(columns.blocks_of(rows, shown, DATA, partial(_heading, words)))
    return layout


def _heading(words: str, row: columns.Row) -> str:
    return f"{data_title(row['dataset'], row['partition'])}, {words}"


def _paper_note(table: pd.DataFrame) -> str:
    """A note on the paper's logs that stand beside the data sets."""
    logs = {name: paper_log(name) for name in table["dataset"].unique() if paper_log(name)}
    beside = ", ".join(f"its {log} log beside {name}" for name, log in logs.items())
    return f"{_PAPER_NOTE} Here {beside}."


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


def _compared(metric: str, title: str) -> list[columns.TableColumn]:
    """The difference to the plain backbone, and the paper's."""
    return [
        *columns.of_methods(columns.text(f"Δ {title}", partial(_delta, metric))),
        columns.where_known(
            f"paper_{metric}", columns.text(f"Paper Δ ({title})", partial(_paper_text, metric))
        ),
    ]


def _delta(metric: str, row: columns.Row) -> Entry:
    test = row[f"{metric}_test"]
    link: str = "" if pd.isna(test) else f"test-{test}"
    unit = SCORES[metric].difference_unit
    return Entry(interval_text(row, f"{metric}_delta", 1, unit=unit), link=link)


def _paper_text(metric: str, row: columns.Row) -> str:
    """The paper's number in brackets, after its difference if it is not the plain backbone's."""
    name = f"paper_{metric}"
    star = "*" if row[f"{name}_star"] else ""
    printed = f"({number(row[name], _PAPER_DIGITS[metric])}{star})"
    unit = SCORES[metric].difference_unit
    delta = number(row[f"{name}_delta"], 1, signed=True, unit=unit)
    return printed if row["method"] == BASELINE else f"{delta} {printed}"


TABLE = Table(
    title="Table 1: multi-domain CTR prediction",
    section="result",
    position=20,
    study="main, references",
    tabulate=tabulate,
    arrange=arrange,
)
