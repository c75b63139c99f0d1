"""Emerging domains: quality on test domains with no, few and many train rows (AdaSparse, 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from reports.analysis.differences import SCALE, draws_note, mean_interval, moments, run_deltas
from reports.look.entries import bounds, interval_entry, runs_entry
from reports.look.table import Block, Entry, Layout, Table, number, spread
from reports.reading.keys import DATA, REPLICATE, Family
from reports.reading.names import BASELINE, data_title, title_of
from reports.statistics.bins import TRAIN_GROUPS

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from reports.reading.load import Runs

    Scores = dict[str, pd.DataFrame]  # group -> one row per finished run

_METRICS = {"gauc": 4, "expected_gauc": 4, "expected_logloss": 5}
_SOURCE = {"gauc": "auc", "expected_gauc": "expected_auc", "expected_logloss": "expected_logloss"}
_DELTAS = [f"{name}_delta_e4" for name in _METRICS]
_EXPECTED = ("expected_gauc", "expected_logloss")
_CEILING = "ceiling"
_BLOCK = [*DATA, "backbone", "group"]
_NOTES = [
    "Domains of the test split by their train rows; no model has seen a row of a domain without"
    " any. GAUC is over the domains of the group that have both clicks and non-clicks, the count"
    " beside it. Mean ± sample standard deviation over the runs; n/a: the group has no domain"
    " that defines the number.",
    "Expected metrics, where the true click probability p is known, count a row p times as a click"
    " and 1 - p times as none. They are defined in every domain with at least two rows, and the"
    " true probability itself is their ceiling.",
    "Δ is the difference to the plain backbone in units of 0.0001, taken run by run, with its"
    " 95% t interval over the seeds. That holds the noise of training, not that of the test rows,"
    " which is large where a group has few, and is not corrected for the number of comparisons.",
]


def tabulate(runs: Runs) -> pd.DataFrame:
    """One row per data set, backbone, group of domains and model, then the group's `ceiling`.

    `<metric>_mean` and `_std` are over the finished `runs`, `<metric>_delta_e4_mean`, `_low`
    and `_high` over the seeds that the baseline shares. Undefined numbers are nan.
    """
    runs = runs.study("emerging")
    if not runs.records:
        return pd.DataFrame()
    rows: list[dict[str, object]] = []
    for keys, models in runs.models.groupby([*DATA, "backbone"], sort=False):
        family = Family(*map(str, keys[:2]))
        domains = [runs.domains(log) for log in runs.families[family].values()]  # of each draw
        scores = {method: _scores(runs, (*keys, method)) for method in models["method"]}
        for group in TRAIN_GROUPS:
            names = dict(zip(_BLOCK, (*family, str(keys[2]), group), strict=True))
            own = names | _counts([one[_is_in(one, group)] for one in domains])
            for model in models.to_dict("records"):
                counts = {name: model[name] for name in ("planned_runs", "draws")}
                rows.append(own | counts | _model_row(scores, str(model["method"]), group))
            if all("ceiling_expected_auc" in one for one in domains):
                rows.append(own | {"method": _CEILING} | _ceiling(domains, group))
    return pd.DataFrame(rows).astype({name: "Int64" for name in ("runs", "planned_runs", "draws")})


def _is_in(domains: pd.DataFrame, group: str) -> pd.Series:
    """The domains of a group, as far as they are in test."""
    least, too_many = TRAIN_GROUPS[group]
    train = domains["train_impressions"]
    return (domains["test_impressions"] > 0) & (train >= least) & (train < too_many)


def _counts(domains: Sequence[pd.DataFrame]) -> dict[str, object]:
    """Totals over the draws of domains, of those with both classes, and of test rows."""
    both = pd.concat(domains)[["test_impressions", "test_clicks"]]
    rows, clicks = both["test_impressions"], both["test_clicks"]
    return {
        "domains": len(both),
        "gauc_domains": int(((clicks > 0) & (clicks < rows)).sum()),
        "test_rows": int(rows.sum()),
    }


def _scores(runs: Runs, model: tuple[Hashable, ...]) -> Scores:
    """Per group the metrics of a model's finished runs."""
    rows: dict[str, list[dict[str, float]]] = {group: [] for group in TRAIN_GROUPS}
    for cell in runs.cells:
        if cell.record is not None and cell.key == (*model, ""):
            domains = runs.domain_scores(cell.record)
            for group, scores in rows.items():
                own = domains[_is_in(domains, group)]
                values = {name: _average(own, column) for name, column in _SOURCE.items()}
                scores.append({**cell.replicate._asdict(), **values})
    columns = [*REPLICATE, *_METRICS]
    return {
        group: pd.DataFrame(scores, columns=columns, dtype=np.float64)
        for group, scores in rows.items()
    }


def _average(domains: pd.DataFrame, column: str) -> float:
    """The mean over the domains that have the number, weighted by their test rows."""
    if column not in domains:
        return np.nan
    known = domains[domains[column].notna()]
    if known.empty:
        return np.nan
    return float(np.average(known[column], weights=known["test_impressions"]))


def _model_row(scores: Mapping[str, Scores], method: str, group: str) -> dict[str, object]:
    own = scores[method][group]
    has_pairs = method != BASELINE and BASELINE in scores
    plain = scores[BASELINE][group] if has_pairs else own.iloc[:0]
    row: dict[str, object] = {"method": method, "runs": len(own)}
    for name in _METRICS:
        delta = SCALE * run_deltas(own, plain, name)
        row |= moments(name, own[name]) | bounds(f"{name}_delta_e4", mean_interval(delta))
    return row


def _ceiling(domains: Sequence[pd.DataFrame], group: str) -> dict[str, object]:
    """The mean over the draws."""
    own = [one[_is_in(one, group)] for one in domains]
    return {
        f"{name}_mean": np.mean([_average(one, f"ceiling_{_SOURCE[name]}") for one in own])
        for name in _EXPECTED
    }


def arrange(table: pd.DataFrame) -> Layout:
    """One block per data set, backbone and group of domains."""
    columns = [
        *("Model", "Domains in GAUC", "GAUC", "Expected GAUC", "Expected LogLoss"),
        *("Δ GAUC", "Δ expected GAUC", "Δ expected LogLoss", "Runs"),
    ]
    blocks = []
    for (dataset, partition, backbone, group), rows in table.groupby(_BLOCK, sort=False):
        first = rows.iloc[0]
        heading = (
            f"{data_title(str(dataset), str(partition))}, {title_of(str(backbone), BASELINE)},"
            f" domains with {group}: {first['domains']:,} with {first['test_rows']:,} test rows"
        )
        blocks.append(Block(heading=heading, rows=_entries(rows)))
    return Layout(columns=columns, blocks=blocks, notes=[*_NOTES, *draws_note(table)])


def _entries(block: pd.DataFrame) -> list[list[Entry]]:
    """The models, then what the true probability scores."""
    rows = [
        [
            Entry(title_of(row["backbone"], row["method"])),
            Entry(f"{row['gauc_domains']:,} of {row['domains']:,}"),
            *(
                Entry(spread(row[f"{name}_mean"], row[f"{name}_std"], digits))
                for name, digits in _METRICS.items()
            ),
            *(
                Entry("") if row["method"] == BASELINE else interval_entry(row, delta, 1)
                for delta in _DELTAS
            ),
            runs_entry(row),
        ]
        for row in block[block["method"] != _CEILING].to_dict("records")
    ]
    for row in block[block["method"] == _CEILING].to_dict("records"):
        best = [Entry(number(row[f"{name}_mean"], _METRICS[name])) for name in _EXPECTED]
        rows.append([Entry("True probability"), *[Entry("")] * 2, *best, *[Entry("")] * 4])
    return rows


TABLE = Table(
    title="Emerging domains: quality by train rows",
    section="domains",
    position=7,
    study="emerging",
    tabulate=tabulate,
    arrange=arrange,
)
