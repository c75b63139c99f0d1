"""Ceiling: expected metrics under the true click probability, and how far methods come to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from reports.bins import BINS_NOTE
from reports.expected import ALL, known_rows, logits_of
from reports.intervals import bounds
from reports.layout import Block, Entry, Layout, Table, number, spread
from reports.load import DATA
from reports.names import BASELINE, data_title, title_of
from reports.paired import (
    EXPECTED_DIGITS,
    SHARE_NOTE,
    achieved_share,
    moments,
    rows_of,
    seeds_entry,
    share_entry,
)

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from reports.load import Runs

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

    `<metric>_mean` and `_std` are over the `seeds` finished runs, `<metric>_share_mean`, `_low` and
    `_high` are the share of the achievable gain and its interval.
    """
    runs = runs.study("main")
    if not runs.records:
        return pd.DataFrame()
    frames = [
        _of_log(runs, dict(zip(DATA, keys, strict=True)), fingerprint)
        for keys, fingerprint in runs.fingerprints.items()
        if "ceiling" in runs.card(fingerprint)
    ]
    rows = [row for frame in frames for row in frame]
    return pd.DataFrame(rows).astype({name: "Int64" for name in ("seeds", "planned_seeds") if rows})


def _of_log(runs: Runs, log: dict[str, str], fingerprint: str) -> list[dict[str, object]]:
    rows = known_rows(runs, fingerprint)
    records = [record for record in runs.records if record.config.data_fingerprint == fingerprint]
    if not records:
        return []
    scores = pd.concat(
        rows.expected(logits_of(runs, record, rows)).assign(
            backbone=record.config.backbone, method=record.config.method, seed=record.config.seed
        )
        for record in records
    )
    models = runs.models[(runs.models[DATA] == pd.Series(log)).all(axis=1)]
    table = []
    for backbone, methods in models.groupby("backbone", sort=False):
        for best in rows.ceiling().to_dict("records"):
            place = {**log, "backbone": backbone}
            place |= {name: best[name] for name in ("scope", "domains", "test_rows")}
            own = rows_of(scores, {"backbone": backbone, "scope": best["scope"]})
            table += [place | _row(own, model, best) for model in methods.to_dict("records")]
            means = {f"{metric}_mean": best[metric] for metric in EXPECTED_DIGITS}
            table.append(place | {"method": _CEILING} | means)
    return table


def _row(
    scores: pd.DataFrame, model: Mapping[Hashable, object], best: Mapping[Hashable, float]
) -> dict[str, object]:
    """Moments and shares of one model in one scope."""
    own, plain = (rows_of(scores, {"method": name}) for name in (model["method"], BASELINE))
    row: dict[str, object] = {
        "method": model["method"],
        "seeds": len(own),
        "planned_seeds": model["planned_seeds"],
    }
    for metric in EXPECTED_DIGITS:
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
    names = ["LogLoss", "AUC", "GAUC"]
    columns = ["Model", *(f"Expected {name}" for name in names), *(f"Share {n}" for n in names)]
    return Layout(columns=[*columns, "Seeds"], blocks=blocks, notes=_NOTES)


def _entries(row: dict) -> list[Entry]:
    if row["method"] == _CEILING:
        scores = [Entry(number(row[f"{m}_mean"], digits)) for m, digits in EXPECTED_DIGITS.items()]
        return [Entry("True probability"), *scores, *[Entry("")] * 4]
    return [
        Entry(title_of(row["backbone"], row["method"])),
        *(
            Entry(spread(row[f"{metric}_mean"], row[f"{metric}_std"], digits))
            for metric, digits in EXPECTED_DIGITS.items()
        ),
        *(share_entry(row, f"{metric}_share") for metric in EXPECTED_DIGITS),
        seeds_entry(row),
    ]


TABLE = Table(
    title="Ceiling: expected metrics, and the share of the achievable gain",
    position=4,
    study="main",
    tabulate=tabulate,
    arrange=arrange,
)
