"""Emerging domains: quality on test domains with no, few and many train rows (AdaSparse, 1)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd

from benchmark.metrics import METRICS, metric_of
from reports.analysis.differences import (
    delta_interval,
    moments,
    plain_of,
    rows_of,
)
from reports.look import columns
from reports.look.table import Table
from reports.look.units import units_text
from reports.reading.keys import BLOCK, CELL, REPLICATE
from reports.reading.load import Runs
from reports.reading.names import CEILING, block_title
from reports.statistics.bins import TRAIN_GROUPS, counts_of, train_groups_by_domain

_SOURCE = {"gauc": "auc", "expected_gauc": "expected_auc", "expected_logloss": "expected_logloss"}
_UNITS = units_text([METRICS["gauc"], METRICS["logloss"]])
_EXPECTED = ("expected_gauc", "expected_logloss")
_NOTES = [
    "Domains of the test split by their train rows; no model has seen a row of a domain without"
    " any. GAUC is over the domains of the group that have both clicks and non-clicks, the count"
    " beside it. Mean ± sample standard deviation over the runs; n/a: the group has no domain"
    " that defines the number.",
    "Expected metrics, where the true click probability p is known, count a row p times as a click"
    " and 1 - p times as none. They are defined in every domain with at least two rows, and the"
    " true probability itself is their ceiling.",
    f"Δ is the difference to the plain backbone in units of {_UNITS}, taken run by run, with its"
    " 95% t interval over the seeds of a log that was drawn once, which holds the noise of"
    " training, not that of the test rows, which is large where a group has few; or over the draws."
    " It is not corrected for the number of comparisons.",
]


def tabulate(runs: Runs) -> pd.DataFrame:
    """One row per data set, backbone, group of domains and model, then the group's `ceiling`.

    `<metric>_mean` and `_std` are over the finished `runs`, `<metric>_delta_mean`, `_low`
    and `_high` over the seeds that the baseline shares. Undefined numbers are nan.
    """
    runs = runs.study("emerging")
    if not runs.records:
        return pd.DataFrame()
    rows: list[dict[str, object]] = []
    for block, models in runs.blocks():
        domains = runs.domains_by_draw(block.family)
        scores = _scores(runs, models)
        for group in TRAIN_GROUPS:
            names = {**block._asdict(), "group": group}
            inside = [one[_is_in(one, group)] for one in domains]
            own = names | counts_of(pd.concat(inside))
            for model in models.to_dict("records"):
                counts = {name: model[name] for name in ("planned_runs", "draws")}
                rows.append(own | counts | _model_row(scores, str(model["method"]), group))
            if all("ceiling_expected_auc" in one for one in domains):
                rows.append(own | {"method": CEILING} | _ceiling(inside))
    return pd.DataFrame(rows).astype({name: "Int64" for name in ("runs", "planned_runs", "draws")})


def _is_in(domains: pd.DataFrame, group: str) -> pd.Series:
    """The domains of a group, as far as they are in test."""
    number = 1 + list(TRAIN_GROUPS).index(group)
    return (domains["test_impressions"] > 0) & (train_groups_by_domain(domains) == number)


def _scores(runs: Runs, models: pd.DataFrame) -> pd.DataFrame:
    """One row per finished run of the models and group of domains."""
    rows = []
    for *model, method, changes in models[CELL].itertuples(index=False, name=None):
        for replicate, record in runs.finished.get((*model, method, changes), {}).items():
            domains = runs.domain_scores(record)
            for group in TRAIN_GROUPS:
                own = domains[_is_in(domains, group)]
                values = {name: _average(own, column) for name, column in _SOURCE.items()}
                rows.append({"method": method, "group": group, **replicate._asdict(), **values})
    return pd.DataFrame(rows, columns=["method", "group", *REPLICATE, *_SOURCE])


def _average(domains: pd.DataFrame, column: str) -> float:
    """The mean over the domains that have the number, weighted by their test rows."""
    if column not in domains:
        return np.nan
    known = domains[domains[column].notna()]
    if known.empty:
        return np.nan
    return float(np.average(known[column], weights=known["test_impressions"]))


def _model_row(scores: pd.DataFrame, method: str, group: str) -> dict[str, object]:
    keys = {"method": method, "group": group}
    own, plain = rows_of(scores, keys), plain_of(scores, keys)
    row: dict[str, object] = {"method": method, "runs": len(own)}
    for name in _SOURCE:
        gain = delta_interval(own, plain, name)
        row |= moments(name, own[name]) | gain.named(f"{name}_delta")
    return row


def _ceiling(domains: Sequence[pd.DataFrame]) -> dict[str, object]:
    """The mean over the draws."""
    return {
        f"{name}_mean": np.mean([_average(one, f"ceiling_{_SOURCE[name]}") for one in domains])
        for name in _EXPECTED
    }


def _difference(title: str, name: str) -> columns.TableColumn:
    return columns.interval(title, f"{name}_delta", 1, unit=metric_of(name).difference_unit)


_COLUMNS = [
    columns.MODEL,
    *columns.blank_for(
        (CEILING,),
        columns.text(
            "Domains in GAUC", lambda row: f"{row['gauc_domains']:,} of {row['domains']:,}"
        ),
        columns.spread("GAUC", "gauc", 4),
    ),
    columns.spread("Expected GAUC", "expected_gauc", 4),
    columns.spread("Expected LogLoss", "expected_logloss", 5),
    *columns.of_methods(
        _difference("Δ GAUC", "gauc"),
        _difference("Δ expected GAUC", "expected_gauc"),
        _difference("Δ expected LogLoss", "expected_logloss"),
    ),
    columns.RUNS,
]


def _heading(row: columns.Row) -> str:
    return (
        f"{block_title(row)}, domains with {row['group']}: {row['domains']:,} with"
        f" {row['test_rows']:,} test rows"
    )


TABLE = Table(
    title="Emerging domains: quality by train rows",
    section="domains",
    position=30,
    is_folded=True,
    study="emerging",
    tabulate=tabulate,
    arrange=partial(
        columns.laid_out, columns=_COLUMNS, notes=_NOTES, by=[*BLOCK, "group"], heading=_heading
    ),
)
