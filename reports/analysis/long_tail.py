"""Gains of methods over the plain backbone in each bin of domains, from head to long tail."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.metrics import group_scores, mean_influences, metric_of
from benchmark.store.records import RunRecord
from reports.analysis.comparisons import Peers, peers_of
from reports.reading.keys import Replicate
from reports.reading.load import Runs
from reports.reading.names import BASELINE
from reports.reading.predictions import File, ScoredRows, file_of, scored_rows
from reports.statistics.bins import NUM_BINS, bins_by_domain, counts_of
from reports.statistics.clusters import clusters_of, rows_component
from reports.statistics.estimates import NONE, Component, Estimate, two_way_estimate
from reports.statistics.kept import kept

METRICS = ("gauc", "auc")  # within the domains of a bin, and of all its rows
INTERVAL_NOTE = (
    "Intervals: 95%, for other seeds and other test rows; none with one seed. What the seeds share,"
    " the choice of the test rows, is the covariance of their gains over blocks of time, and over"
    " users where the log names them, to first order; the rest is their own spread. Critical values"
    " are those of Cochran and Cox. They are not corrected for the number of comparisons."
)


@dataclass(frozen=True, slots=True, eq=False)
class BinScores:
    """GAUC and AUC of one run in each bin, and what its rows add to them, found on demand."""

    scores: NDArray[np.float64]  # (bins, metrics), nan where undefined
    sums: Callable[[int, str], BinSums]  # of the number of a bin and a metric


@dataclass(frozen=True, slots=True, eq=False)
class BinSums:
    """The parts of a score that each of C cells of the test rows of a bin adds.

    The rows of a cell agree in the ways in which rows belong together.
    """

    sums: NDArray[np.float64]  # (C,)
    groupings: tuple[NDArray[np.integer], ...]  # (C,) each


def tabulate(runs: Runs) -> pd.DataFrame:
    """One row per bin and model of `main` but the plain backbone, over the runs that both have.

    `domains` are all of the bin, `gauc_domains` those with both classes in test, totals over the
    draws, each of which has its own bins. The gains, `<metric>_delta_*`, are nan where the bin
    lacks a class.
    """
    everything, runs = runs, runs.study("main")
    rows: list[dict[str, object]] = []
    for block, models in runs.blocks():
        records = runs.of_block(block)
        methods = [name for name in models["method"] if name in records and name != BASELINE]
        if BASELINE not in records or not methods:
            continue
        counts = _counts(runs.domains_by_draw(block.family))
        num_draws = int(models["draws"].max())
        plain = scores_by_run(runs, records[BASELINE])
        tuning_of = partial(bin_tuning, runs, peers_of(everything, block))
        for method in methods:
            gains = _gains(scores_by_run(runs, records[method]), plain, tuning_of)
            rows += [
                {**block._asdict(), "method": method, "draws": num_draws, **of_bin, **gain}
                for of_bin, gain in zip(counts, gains, strict=True)
            ]
    return pd.DataFrame(rows)


def _counts(draws: Sequence[pd.DataFrame]) -> list[dict[str, int]]:
    """The counts of each bin."""
    bins = np.concatenate([bins_by_domain(domains) for domains in draws])
    domains, numbers = pd.concat(draws), range(1, NUM_BINS + 1)
    return [{"bin": number, **counts_of(domains[bins == number])} for number in numbers]


def scores_by_run(
    runs: Runs,
    records: Mapping[Replicate, RunRecord],
    bins_of_domains: Callable[[pd.DataFrame], NDArray[np.int64]] = bins_by_domain,
) -> dict[Replicate, BinScores]:
    """The scores of each run in the bins of its draw, or in at most as many other groups."""
    logs = {record.config.data_fingerprint for record in records.values()}
    bins = {fingerprint: bins_of_domains(runs.domains(fingerprint)) for fingerprint in logs}
    return {
        place: scores_of(record, bins[record.config.data_fingerprint])
        for place, record in records.items()
    }


def scores_of(record: RunRecord, bins: NDArray[np.int64]) -> BinScores:
    """The scores of a run in each bin, computed once."""
    return _scores_of(file_of(record), bins.tobytes())


@lru_cache(maxsize=4096)  # a few hundred bytes each
def _scores_of(file: File, bins: bytes) -> BinScores:
    found = bin_scores(scored_rows(file), np.frombuffer(bins, np.int64))
    return replace(found, sums=partial(_sums_of, file, bins))


@kept
def _sums_of(file: File, bins: bytes, number: int, metric: str) -> BinSums:
    return _bin_sums(scored_rows(file), np.frombuffer(bins, np.int64), number, metric)


def bin_scores(rows: ScoredRows, bins: NDArray[np.int64]) -> BinScores:
    """The scores of a run's test rows by the domains' bins."""
    row_bin = (bins - 1).astype(np.int8)[rows.domain]
    scores = [
        _mean_aucs(rows.label, rows.logit, group, row_bin) for group in (rows.domain, row_bin)
    ]
    return BinScores(np.stack(scores, axis=-1), partial(_bin_sums, rows, bins))


def _bin_sums(rows: ScoredRows, bins: NDArray[np.int64], number: int, metric: str) -> BinSums:
    is_own = (bins == number)[rows.domain]
    label, logit, domain = (values[is_own] for values in (rows.label, rows.logit, rows.domain))
    everything = np.broadcast_to(0, label.size)
    group = domain if metric == "gauc" else everything
    clusters = clusters_of(*(grouping[is_own] for grouping in rows.groupings))
    added = clusters.sums(mean_influences(label, logit, group, everything))
    return BinSums(added, clusters.groupings)


def _mean_aucs(
    label: NDArray[np.integer],
    logit: NDArray[np.floating],
    group: NDArray[np.integer],
    row_bin: NDArray[np.integer],
) -> NDArray[np.float64]:
    """(bins,) the mean AUC of each bin's groups of both classes, weighted by rows as in GAUC."""
    scores = group_scores(label, logit, group)
    kept = scores.is_defined
    bin_of_group = np.zeros(int(group.max(initial=0)) + 1, np.int64)
    bin_of_group[group] = row_bin
    place, rows = bin_of_group[scores.group[kept]], scores.impressions[kept]
    total = np.bincount(place, rows * scores.auc[kept], NUM_BINS)
    weight = np.bincount(place, rows, NUM_BINS)
    return np.divide(total, weight, out=np.full(NUM_BINS, np.nan), where=weight > 0.0)


def bin_tuning(
    runs: Runs,
    peers: Peers,
    number: int,
    metric: str,
    bins_of_domains: Callable[[pd.DataFrame], NDArray[np.int64]] = bins_by_domain,
) -> Component:
    """The component of tuned values in differences within a bin."""
    place = (number - 1, METRICS.index(metric))

    def score(record: RunRecord) -> float:
        bins = bins_of_domains(runs.domains(record.config.data_fingerprint))
        return float(scores_of(record, bins).scores[place])

    return peers.tuning_of(score)


def _gains(
    own: Mapping[Replicate, BinScores],
    plain: Mapping[Replicate, BinScores],
    tuning_of: Callable[[int, str], Component],
) -> list[dict[str, object]]:
    """Per bin the number of pairs, and of each metric the mean gain and its interval."""
    rows: list[dict[str, object]] = []
    for number in range(1, NUM_BINS + 1):
        rows.append({"pairs": len(own.keys() & plain.keys())})
        for metric in METRICS:
            tuning = tuning_of(number, metric)
            interval = bin_gain(own, plain, number, metric, tuning).interval()
            rows[-1] |= interval.named(f"{metric}_delta")
    return rows


def bin_gain(
    own: Mapping[Replicate, BinScores],
    other: Mapping[Replicate, BinScores],
    number: int,
    metric: str,
    tuning: Component = NONE,
) -> Estimate:
    """The difference of two models in a metric within a bin, over their common runs."""
    place = (number - 1, METRICS.index(metric))
    both = sorted(own.keys() & other.keys())
    pairs = [(own[run], other[run]) for run in both]
    gains = np.array([one.scores[place] - two.scores[place] for one, two in pairs])

    def of_rows() -> Component:
        groupings = pairs[0][0].sums(number, metric).groupings
        sums = np.empty((len(pairs), groupings[0].size))
        for row, (one, two) in zip(sums, pairs, strict=True):
            np.subtract(one.sums(number, metric).sums, two.sums(number, metric).sums, out=row)
        return rows_component(sums, *groupings)

    found = two_way_estimate(gains, of_rows, [run.draw for run in both], tuning=tuning)
    return replace(found, limit=metric_of(metric).widest)
