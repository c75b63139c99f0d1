"""A simulated A/B test: the models as rankers of ads (an analogue of AdaSparse, section 4.4)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.analysis.differences import moments, rows_of
from reports.look import columns
from reports.look.table import Table, TableLayout
from reports.reading.keys import DATA, Family, Log
from reports.reading.load import Runs
from reports.reading.names import BASELINE, data_title, title_of
from reports.statistics.auction import (
    AuctionOutcome,
    CandidateAds,
    candidates_of,
    hold_auctions,
    log_probability,
    random_clicks,
)
from reports.statistics.paired_tests import Interval, over_draws
from reports.statistics.uplift import (
    LEAST_REQUESTS,
    LEAST_UPLIFT,
    MEASURES,
    UpliftedDomains,
    over_all_draws,
    uplift_intervals,
    uplifted_domains,
)

_DIGITS = {"ctr_percent": 3, "cpc": 4, "revenue_per_1000": 2}
_SHARE = "uplifted_percent"
_REFERENCES = {
    "random": "Random winner",
    "bid": "Bid alone",
    "oracle": "Bid times true probability (oracle)",
}
_NOTES = [
    "After the paper's section 4.4 (+4.63% CTR, \N{MINUS SIGN}3.82% CPC, uplift in over 90% of the"
    " domains, online): an analogue under a world's known truth, not an online test. It says what"
    " a ranking is worth in this world, and nothing about a real system.",
    "In each request of the test period every model ranks the same candidate ads by bid times"
    " predicted CTR. The first is shown and pays, per click, the least bid that keeps its place"
    " (generalised second price, one slot, reserve 0). Under the true probability p of the winners,"
    " CTR is the mean of p, revenue the sum of p times price, shown per 1,000 requests, and CPC"
    " revenue per expected click. Mean ± sample standard deviation over the runs. A model that"
    " overrates its winners lets them pay less, so read CPC beside revenue.",
    "Δ is the relative difference to the plain backbone in percent, taken run by run, with its"
    " 95% interval. It allows for other seeds (the variance of the seeds' differences) and for"
    " other requests (the covariance of the seeds' uplifts over requests, to first order), with the"
    " critical values of Cochran and Cox.",
    "Uplifted: the percentage of domains in which CTR is above that of the plain backbone, mean"
    f" over the seeds, among the domains with at least {LEAST_REQUESTS} requests, which the column"
    " Domains counts; ties are not uplifted. Its 95% interval allows for other seeds and for other"
    " domains, taken as independent. In brackets what two equally good models would have. By"
    " requests: domains weighted by their requests.",
    "Each interval stands for itself: none is corrected for the number of comparisons. Where all"
    " seeds share one drawn log, another draw of the world is not allowed for.",
    "References: a random winner keeps its place at any bid, so that it has no price; bid alone"
    " is what equal predictions lead to; the oracle shows the most valuable candidate. Its CTR is"
    " not the highest possible, as it ranks by value.",
]


def tabulate(runs: Runs) -> pd.DataFrame:
    """One row per planned model on a world, then the references of the world.

    `<measure>_mean` and `_std` are over the finished `runs`. `<measure>_uplift_percent_mean`,
    `_low`, `_high` and the numbers of domains are over the `pairs` of seeds that the baseline
    shares. Undefined numbers are nan.
    """
    runs = runs.study("ab_test")
    rows: list[dict[str, object]] = []
    for family, logs in runs.families.items() if runs.records else ():
        tables = {draw: runs.candidates(fingerprint) for draw, fingerprint in logs.items()}
        draws = {
            draw: candidates_of(table)
            for draw, table in tables.items()
            if table is not None and len(table)
        }
        if draws:
            requests = sum(candidates.start.size for candidates in draws.values())
            log = {**family._asdict(), "requests": requests}
            rows += [log | row for row in _model_rows(runs, family, draws)]
            rows += [log | row for row in _references(list(draws.values()))]
    counts = ["runs", "pairs", "planned_runs", "draws", "judged_domains"]
    return pd.DataFrame(rows).astype(dict.fromkeys(counts, "Int64")) if rows else pd.DataFrame()


class _OnDraw(NamedTuple):
    """The outcomes of a model in the auctions of one draw, and beside the plain backbone there."""

    measures: list[dict[str, float]]  # of each run
    num_pairs: int
    uplifts: dict[str, Interval]
    domains: UpliftedDomains


def _model_rows(
    runs: Runs, family: Family, draws: Mapping[int, CandidateAds]
) -> list[dict[str, object]]:
    models = rows_of(runs.models, family._asdict())
    by_draw = [
        _on_draw(runs.of_log(Log(*family, draw)), candidates, models)
        for draw, candidates in draws.items()
    ]
    return [
        {str(name): value for name, value in model.items()} | _row(found)
        for model, found in zip(
            models[["backbone", "method", "planned_runs", "draws"]].to_dict("records"),
            zip(*by_draw, strict=True),
            strict=True,
        )
    ]


def _on_draw(runs: Runs, candidates: CandidateAds, models: pd.DataFrame) -> list[_OnDraw]:
    """The outcomes of each model."""
    outcomes = {
        key[2:4]: {
            place.seed: hold_auctions(candidates, log_probability(runs.candidate_logits(record)))
            for place, record in records.items()
        }
        for key, records in runs.finished.items()
    }
    found = []
    for backbone, method in models[["backbone", "method"]].itertuples(index=False, name=None):
        own = outcomes.get((backbone, method), {})
        plain = outcomes.get((backbone, BASELINE), {}) if method != BASELINE else {}
        found.append(_compared(own, plain, candidates.domain))
    return found


def _row(draws: Sequence[_OnDraw]) -> dict[str, object]:
    """Moments over the runs of all draws; uplifts as they are of one draw, else over draws."""
    compared = [one for one in draws if one.num_pairs] or list(draws[:1])
    domains = over_all_draws([one.domains for one in compared])
    row = _averages([measures for one in draws for measures in one.measures])
    row["pairs"] = sum(one.num_pairs for one in draws)
    for measure in MEASURES:
        found = over_draws([one.uplifts[measure] for one in compared])
        uplift = found.clipped(LEAST_UPLIFT, math.inf)
        row |= uplift.named(f"{measure}_uplift_percent")
    return row | {
        "judged_domains": domains.num,
        **domains.share.named("uplifted_percent"),
        "uplifted_percent_by_chance": domains.chance,
        "uplifted_percent_by_request": domains.by_request,
        "uplifted_percent_by_request_by_chance": domains.by_request_chance,
    }


def _averages(measures: Sequence[Mapping[str, float]]) -> dict[str, object]:
    row: dict[str, object] = {"runs": len(measures)}
    table = pd.DataFrame(measures, columns=list(_DIGITS), dtype=np.float64)
    for name in _DIGITS:
        row |= moments(name, table[name])
    return row


def _measures(clicks: NDArray[np.float64], revenue: NDArray[np.float64]) -> dict[str, float]:
    return {
        "ctr_percent": 100.0 * float(clicks.mean()),
        "cpc": float(revenue.sum() / clicks.sum()) if clicks.any() else np.nan,
        "revenue_per_1000": 1000.0 * float(revenue.mean()),
    }


def _compared(
    outcomes: Mapping[int, AuctionOutcome],
    plain: Mapping[int, AuctionOutcome],
    domain: NDArray[np.int64],
) -> _OnDraw:
    """Uplifts and uplifted domains over the seeds that both have."""
    seeds = [seed for seed in outcomes if seed in plain]
    parts = [
        (one.clicks, one.revenue, other.clicks, other.revenue)
        for one, other in ((outcomes[seed], plain[seed]) for seed in seeds)
    ]
    summands = np.array(parts).reshape(len(seeds), 4, domain.size).transpose(0, 2, 1)
    return _OnDraw(
        measures=[_measures(outcome.clicks, outcome.revenue) for outcome in outcomes.values()],
        num_pairs=len(seeds),
        uplifts=uplift_intervals(summands),
        domains=uplifted_domains(summands[:, :, 0], summands[:, :, 2], domain),
    )


def _references(draws: Sequence[CandidateAds]) -> list[dict[str, object]]:
    """The outcomes of no prediction and of perfect predictions, mean over the draws."""
    found = pd.concat(pd.DataFrame(_measures_of(candidates)).T for candidates in draws)
    means = found.groupby(level=0).mean()
    return [
        {"backbone": "", "method": name}
        | {f"{measure}_mean": value for measure, value in means.loc[name].dropna().items()}
        for name in _REFERENCES
    ]


def _measures_of(candidates: CandidateAds) -> dict[str, dict[str, float]]:
    """The measures of each reference."""
    oracle = hold_auctions(candidates, np.log(candidates.p_click))
    by_bid = hold_auctions(candidates, np.zeros(candidates.bid.size))
    outcomes = {"bid": by_bid, "oracle": oracle}
    measures = {name: _measures(one.clicks, one.revenue) for name, one in outcomes.items()}
    measures["random"] = {"ctr_percent": 100.0 * float(random_clicks(candidates).mean())}
    return measures


_COLUMNS = [
    columns.text(
        "Model",
        lambda row: _REFERENCES.get(row["method"]) or title_of(row["backbone"], row["method"]),
    ),
    *(
        columns.spread(title, name, digits)
        for title, (name, digits) in zip(
            ("CTR (%)", "CPC", "Revenue"), _DIGITS.items(), strict=True
        )
    ),
    *columns.blank_for(
        (BASELINE, *_REFERENCES),
        *(
            columns.interval(f"Δ {title}", f"{name}_uplift_percent", 2)
            for title, name in zip(("CTR (%)", "CPC (%)", "revenue (%)"), MEASURES, strict=True)
        ),
        columns.with_chance(_SHARE, columns.interval("Uplifted (chance)", _SHARE, 1, signed=False)),
        columns.with_chance(
            f"{_SHARE}_by_request",
            columns.number("By requests (chance)", f"{_SHARE}_by_request", 1),
        ),
        columns.number("Domains", "judged_domains", 0),
    ),
    columns.RUNS,
]


def arrange(table: pd.DataFrame) -> TableLayout:
    """One block per world and backbone, then the references of the world."""
    is_reference = table["backbone"] == ""
    layout = columns.laid_out(table[~is_reference], _COLUMNS, _NOTES)
    layout.blocks.extend(columns.blocks_of(table[is_reference], _COLUMNS, DATA, _reference_heading))
    return layout


def _reference_heading(row: columns.Row) -> str:
    title = data_title(row["dataset"], row["partition"])
    return f"{title}, references: {row['requests']:,} requests"


TABLE = Table(
    title="Simulated A/B test",
    section="evidence",
    position=70,
    is_folded=True,
    study="ab_test",
    tabulate=tabulate,
    arrange=arrange,
)
