"""Ceiling: expected metrics under the true click probability, and how far methods come to it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.metrics import EXPECTED_SCORES
from benchmark.store.files import RecordError
from benchmark.store.records import RunRecord
from reports.analysis.differences import SHARE_NOTE, achieved_share, moments, plain_of, rows_of
from reports.look import columns
from reports.look.part import draws_note
from reports.look.table import Table, TableLayout
from reports.reading.keys import BLOCK, Family, Log, draw_of
from reports.reading.load import Runs
from reports.reading.names import CEILING, block_title
from reports.statistics.bins import BINS_NOTE, bins_by_domain

ALL = 0  # the scope of all domains; the others are the bins
_NOTES = [
    "Test split of generated logs. Expected metrics take the true click probability p of a row for"
    " its label: a row counts p as clicked and 1 - p as not clicked, so that they are defined in"
    " every domain of two rows and have no noise of drawn clicks. Mean ± sample standard deviation"
    " over the runs. The ceiling is the score of p itself: no model can do better.",
    SHARE_NOTE,
    BINS_NOTE + " GAUC of a bin is over its domains, AUC over its rows.",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRows:
    """The test rows of a generated log, and in which bin of domains each of them is."""

    row_id: NDArray[np.int64]
    p_click: NDArray[np.float64]
    domain: NDArray[np.int64]
    bin: NDArray[np.int64]

    def expected(self, logit: NDArray[np.floating]) -> pd.DataFrame:
        """The expected metrics of logits, and the volume: one row per scope with test rows."""
        everything = np.ones(self.bin.size, np.bool_)
        scopes = {ALL: everything} | {int(n): self.bin == n for n in np.unique(self.bin)}
        return pd.DataFrame(
            [
                {
                    "scope": scope,
                    "domains": np.unique(self.domain[kept]).size,
                    "test_rows": np.count_nonzero(kept),
                }
                | {
                    name: metric.of_rows(self.p_click[kept], logit[kept], self.domain[kept])
                    for name, metric in EXPECTED_SCORES.items()
                }
                for scope, kept in scopes.items()
            ]
        )

    def ceiling(self) -> pd.DataFrame:
        """The expected metrics of the true log-odds."""
        return self.expected(np.log(self.p_click) - np.log1p(-self.p_click))


def known_rows(runs: Runs, fingerprint: str) -> KnownRows:
    """The test rows of a generated log."""
    truth = runs.truth(fingerprint)
    truth = truth[truth["split"] == "test"]
    domain = truth["eval_domain_id"].to_numpy(np.int64)
    return KnownRows(
        row_id=truth["row_id"].to_numpy(np.int64),
        p_click=truth["p_click"].to_numpy(np.float64),
        domain=domain,
        bin=bins_by_domain(runs.domains(fingerprint))[domain],
    )


def logits_of(runs: Runs, record: RunRecord, rows: KnownRows) -> NDArray[np.float32]:
    """The logits of a run on these rows.

    Raises:
        RecordError: the run predicted other rows.
    """
    predictions = runs.predictions(record)
    predictions = predictions[predictions["split"] == "test"]
    if not np.array_equal(predictions["row_id"], rows.row_id):
        raise RecordError(
            f"{record.path}: its test rows are not those of"
            f" {runs.store.data_folder(record.config.data_fingerprint)}; run again to renew it"
        )
    return predictions["logit"].to_numpy(np.float32)


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
            table.append(place | {"method": CEILING} | means)
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
    keys = {"method": model["method"]}
    own, plain = rows_of(scores, keys), plain_of(scores, keys)
    row: dict[str, object] = {**keys, "runs": len(own)}
    row |= {name: model[name] for name in ("planned_runs", "draws")}
    for metric in EXPECTED_SCORES:
        row |= moments(metric, own[metric])
        row |= achieved_share(own, plain, metric, best[metric]).named(f"{metric}_share")
    return row


_COLUMNS = [
    columns.MODEL,
    *(
        columns.spread(f"Expected {metric.title}", name, metric.digits)
        for name, metric in EXPECTED_SCORES.items()
    ),
    *(
        columns.where_known(
            f"{name}_share_mean", columns.interval(f"Share {metric.title}", f"{name}_share", 2)
        )
        for name, metric in EXPECTED_SCORES.items()
    ),
    columns.RUNS,
]


def arrange(table: pd.DataFrame) -> TableLayout:
    """One block per generated log, backbone and scope."""
    notes = [*draws_note(table), *_NOTES]
    return columns.laid_out(table, _COLUMNS, notes, by=[*BLOCK, "scope"], heading=_heading)


def _heading(row: columns.Row) -> str:
    words = "all domains" if row["scope"] == ALL else f"bin {row['scope']}"
    return (
        f"{block_title(row)}, {words} (domains: {row['domains']:,}, test rows:"
        f" {row['test_rows']:,})"
    )


TABLE = Table(
    title="Ceiling: expected metrics, and the share of the achievable gain",
    section="result",
    position=60,
    is_folded=True,
    study="main",
    tabulate=tabulate,
    arrange=arrange,
)
