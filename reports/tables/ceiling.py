"""Ceiling: expected metrics under the true click probability, and how far methods come to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from benchmark.metrics import EXPECTED_SCORES
from reports.analysis.differences import SHARE_NOTE, achieved_share, draws_note, moments, rows_of
from reports.analysis.expected_metrics import ALL, known_rows, logits_of
from reports.look.entries import bounds, runs_entry, share_entry
from reports.look.table import Block, Entry, Layout, Table, number, spread
from reports.reading.keys import DATA, Log, draw_of
from reports.reading.names import BASELINE, data_title, title_of
from reports.statistics.bins import BINS_NOTE

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from benchmark.store.records import RunRecord
    from reports.analysis.expected_metrics import KnownRows
    from reports.reading.keys import Family
    from reports.reading.load import Runs

_CEILING = "ceiling"
_NOTES = [
    "Test split of generated logs. Expected metrics take the true click probability p of a row for"
    " its label: a row counts p as clicked and 1 - p as not clicked, so that they are defined in"
    " every domain of two rows and have no noise of drawn clicks. Mean ± sample standard deviation"
    " over the seeds. The ceiling is the score of p itself: no model can do better.",
    SHARE_NOTE,
    BINS_NOTE + " GAUC of a bin is over its domains, AUC over its rows.",
]


def tabulate(runs: Runs) -> pd.DataFrame:
    """One row per generated log, backbone, scope (0 is all domains) and method, then the ceiling.

    `<metric>_mean` and `_std` are over the finished `runs`, `<metric>_share_mean`, `_low` and
    `_high` are the share of the achievable gain and its interval.
    """
    runs = runs.study("main")
    if not runs.records:
        return pd.DataFrame()
    rows = [row for family in runs.families for row in _of_family(runs, family)]
    counts = ("runs", "planned_runs", "draws")
    return pd.DataFrame(rows).astype({name: "Int64" for name in counts if rows})


def _of_family(runs: Runs, family: Family) -> list[dict[str, object]]:
    scores, ceilings = [], []
    for draw, fingerprint in runs.families[family].items():
        own = runs.of_log(Log(*family, draw))
        if own.records and "ceiling" in runs.card(fingerprint):
            rows = known_rows(runs, fingerprint)
            scores += [_scores(own, record, rows) for record in own.records]
            ceilings.append(rows.ceiling().assign(draw=draw))
    if not scores:
        return []
    of_runs, best = pd.concat(scores), pd.concat(ceilings).set_index("draw")
    models = rows_of(runs.models, family._asdict())
    table: list[dict[str, object]] = []
    for backbone, methods in models.groupby("backbone", sort=False):
        for scope, top in best.groupby("scope"):
            place: dict[str, object] = {**family._asdict(), "backbone": backbone, "scope": scope}
            place |= {name: int(top[name].sum()) for name in ("domains", "test_rows")}
            own_scores = rows_of(of_runs, {"backbone": backbone, "scope": scope})
            table += [place | _row(own_scores, model, top) for model in methods.to_dict("records")]
            means = {f"{metric}_mean": top[metric].mean() for metric in EXPECTED_SCORES}
            table.append(place | {"method": _CEILING} | means)
    return table


def _scores(runs: Runs, record: RunRecord, rows: KnownRows) -> pd.DataFrame:
    """The expected metrics of a run in every scope."""
    config = record.config
    return rows.expected(logits_of(runs, record, rows)).assign(
        backbone=config.backbone, method=config.method, draw=draw_of(config), seed=config.seed
    )


def _row(
    scores: pd.DataFrame, model: Mapping[Hashable, object], best: pd.DataFrame
) -> dict[str, object]:
    """Moments and shares of one model in one scope; `best` are the ceilings by draw."""
    own, plain = (rows_of(scores, {"method": name}) for name in (model["method"], BASELINE))
    row: dict[str, object] = {"method": model["method"], "runs": len(own)}
    row |= {name: model[name] for name in ("planned_runs", "draws")}
    for metric in EXPECTED_SCORES:
        row |= moments(metric, own[metric])
        others = own if model["method"] != BASELINE else own.iloc[:0]  # no share of its own
        row |= bounds(f"{metric}_share", achieved_share(others, plain, metric, best[metric]))
    return row


def arrange(table: pd.DataFrame) -> Layout:
    """One block per generated log, backbone and scope."""
    blocks = []
    for keys, rows in table.groupby([*DATA, "backbone", "scope"], sort=False):
        dataset, partition, backbone = map(str, keys[:3])
        first = rows.iloc[0]
        words = "all domains" if first["scope"] == ALL else f"bin {first['scope']}"
        blocks.append(
            Block(
                heading=f"{data_title(dataset, partition)}, {title_of(backbone, BASELINE)}, {words}"
                f" (domains: {first['domains']:,}, test rows: {first['test_rows']:,})",
                rows=[_entries(row) for row in rows.to_dict("records")],
            )
        )
    names = [metric.title for metric in EXPECTED_SCORES.values()]
    columns = ["Model", *(f"Expected {name}" for name in names), *(f"Share {n}" for n in names)]
    notes = [*draws_note(table), *_NOTES]
    return Layout(columns=[*columns, "Runs"], blocks=blocks, notes=notes)


def _entries(row: dict) -> list[Entry]:
    if row["method"] == _CEILING:
        scores = [
            Entry(number(row[f"{name}_mean"], metric.digits))
            for name, metric in EXPECTED_SCORES.items()
        ]
        return [Entry("True probability"), *scores, *[Entry("")] * (len(scores) + 1)]
    return [
        Entry(title_of(row["backbone"], row["method"])),
        *(
            Entry(spread(row[f"{name}_mean"], row[f"{name}_std"], metric.digits))
            for name, metric in EXPECTED_SCORES.items()
        ),
        *(share_entry(row, f"{metric}_share") for metric in EXPECTED_SCORES),
        runs_entry(row),
    ]


TABLE = Table(
    title="Ceiling: expected metrics, and the share of the achievable gain",
    section="result",
    position=6,
    study="main",
    tabulate=tabulate,
    arrange=arrange,
)
