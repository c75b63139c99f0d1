"""Every comparison of two models that the report makes: its interval and its tests."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmark.config import OWN
from benchmark.metrics import METRICS, SCORES
from reports.analysis.peers import peers_of
from reports.reading.exclusions import few_rows
from reports.reading.keys import BLOCK, CELL, DATA, Family, Replicate, draw_of
from reports.reading.names import BASELINE, data_title, title_of
from reports.reading.predictions import clusters, influence_sums, labels, placed
from reports.statistics.clusters import rows_component
from reports.statistics.delong import contrast
from reports.statistics.estimates import NONE, by_draw, two_way_estimate
from reports.statistics.paired_tests import TEST_LEVEL, holm, paired_p_value, wilcoxon_p_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from benchmark.store.records import RunRecord
    from reports.analysis.peers import Peers, Replicates
    from reports.reading.load import Runs
    from reports.statistics.estimates import Component, Estimate

Key = tuple[str, ...]  # the values of `CELL`

MODEL_SIDE = ["backbone", "method", "changes"]
OTHER = ["other_backbone", "other", "other_changes"]
KINDS = ("baseline", "second_best")


@lru_cache(maxsize=1)  # two tables are made of it
def compare(runs: Runs) -> pd.DataFrame:
    """Every method of the main cells against its backbone, and the best against the second best.

    Of each data set and backbone the compared best are AdaSparse and whatever has the best mean of
    a metric on test; its rival is the other method with the best mean AUC on dev. One row per
    comparison and metric, over the `pairs` of runs with a common draw and seed, `test` being its
    number.

    `delta_*` is the method minus the other: mean and 95% interval for other seeds, other test rows
    and, if `has_tuning`, other tuned values, with its standard `error`, its degrees of `freedom`
    and `two_way_p`; the spread of the seeds is pooled over the block's methods.
    `t_p` and `wilcoxon_p` test the seeds' differences alone. `delong_p` tests the mean AUC of these
    very models for other test rows, `delong_runs` counts the runs in which that test finds a
    difference by itself. `mde` is the least true difference that `two_way_p` would find. What is
    undefined is nan.

    Of several draws all intervals and tests are over the means of the draws, but for `delong_p`,
    which is one of the rows of a single log and is undefined.

    `t_p_holm` and `two_way_p_holm` are corrected over `family`, all rows of a data set and
    backbone. A comparison is a `star` where the method is better, its corrected two-way test is
    significant, and the log has enough rows of both classes.
    """
    main = runs.study("main")
    seeds = main.finished
    blocks = []
    for keys, models in main.models.groupby(BLOCK, sort=False):
        family = Family(str(keys[0]), str(keys[1]))
        peers = peers_of(runs, family, str(keys[2]))
        cells = [tuple(cell) for cell in models[CELL].to_numpy() if tuple(cell) in seeds]
        rows = [
            _named(left, right)
            | {"kind": kind, "metric": metric}
            | _tests(_common(seeds[left], seeds[right]), metric, peers)
            for left, right, kind in _comparisons(seeds, cells)
            for metric in SCORES
        ]
        if rows:
            table = _corrected(pd.DataFrame(rows), [str(key) for key in keys])
            table["star"] &= not few_rows(main, family)
            blocks.append(table.assign(draws=models["draws"].max()))
    if not blocks:
        return pd.DataFrame()
    table = pd.concat(blocks, ignore_index=True)
    table.insert(0, "test", np.arange(1, len(table) + 1))
    return table


def estimate(
    own: Replicates,
    other: Replicates,
    metric: str,
    peers: Peers | None = None,
    tuning: Component = NONE,
) -> Estimate:
    """The difference of two cells in a metric on test, over their common seeds.

    Its error is for other seeds and other test rows, and for other tuned values by `tuning`. Of two
    main cells of one table, `peers`, the spread of the seeds is pooled over all of them.

    Raises:
        ValueError: the two cells are not of the same prepared log.
    """
    return _estimate(_common(own, other), metric, peers, tuning)


def _comparisons(seeds: Mapping[Key, Replicates], cells: list[Key]) -> list[tuple[Key, Key, str]]:
    """The comparisons among the finished cells of one data set and backbone, with their kinds."""
    method = CELL.index("method")
    plain = [cell for cell in cells if cell[method] == BASELINE]
    pairs = [(cell, base, KINDS[0]) for base in plain for cell in cells if cell != base]
    best = {_best(seeds, cells, "test", metric) for metric in SCORES} if cells else set()
    for cell in cells:
        others = [other for other in cells if other != cell]
        if others and (cell in best or cell[method] == OWN):
            pairs.append((cell, _best(seeds, others, "dev", "auc"), KINDS[1]))
    return pairs


def _best(seeds: Mapping[Key, Replicates], cells: list[Key], split: str, metric: str) -> Key:
    """The cell with the best mean over its seeds; an undefined mean is the worst."""
    sign = -1.0 if METRICS[metric].lower_is_better else 1.0

    def mean(cell: Key) -> float:
        scores = [record.metrics[split][metric] for record in seeds[cell].values()]
        return float(np.nan_to_num(sign * np.mean(scores), nan=-np.inf))

    return max(cells, key=mean)


def _named(left: Key, right: Key) -> dict[str, object]:
    return dict(zip([*CELL, *OTHER], [*left, *right[len(DATA) :]], strict=True))


def _common(own: Replicates, other: Replicates) -> list[tuple[RunRecord, RunRecord]]:
    """The runs of both that have the same draw and seed."""
    both = [(own[place], other[place]) for place in sorted(own.keys() & other.keys())]
    for one, two in both:
        if one.config.data_fingerprint != two.config.data_fingerprint:
            raise ValueError(
                f"{one.config.title} and {two.config.title} cannot be compared: their test rows are"
                f" those of {one.config.data_fingerprint} and {two.config.data_fingerprint};"
                " compare cells of one prepared log"
            )
    return both


def _deltas(both: list[tuple[RunRecord, RunRecord]], metric: str) -> NDArray[np.float64]:
    pairs = [(one.metrics["test"][metric], two.metrics["test"][metric]) for one, two in both]
    return np.array([own - other for own, other in pairs], np.float64)


def draws_of(both: list[tuple[RunRecord, RunRecord]]) -> list[int]:
    """The draw of each pair of runs."""
    return [draw_of(one.config) for one, _ in both]


def _estimate(
    both: list[tuple[RunRecord, RunRecord]],
    metric: str,
    peers: Peers | None,
    tuning: Component,
) -> Estimate:
    found = two_way_estimate(
        _deltas(both, metric),
        lambda: _of_rows(both, metric),
        draws_of(both),
        table=_table(both, metric, peers) if both and peers else None,
        tuning=tuning,
    )
    return replace(found, limit=METRICS[metric].widest)


def _table(
    both: list[tuple[RunRecord, RunRecord]], metric: str, peers: Peers
) -> NDArray[np.float64]:
    """The scores of all models of the table in the same runs, these two models first."""
    places = [Replicate(draw_of(one.config), one.config.seed) for one, _ in both]
    own, other = (record.config.method for record in both[0])
    return peers.scores(metric, places, (own, other))


def _of_rows(both: list[tuple[RunRecord, RunRecord]], metric: str) -> Component:
    """The part of the variance that the choice of one log's test rows adds to all differences."""
    sums = [influence_sums(one)[metric] - influence_sums(two)[metric] for one, two in both]
    return rows_component(np.array(sums), *clusters(both[0][0]).groupings)


def _tests(both: list[tuple[RunRecord, RunRecord]], metric: str, peers: Peers) -> dict[str, object]:
    """The columns of a row of `compare` that follow from the runs of one comparison alone."""
    deltas = by_draw(_deltas(both, metric), draws_of(both))
    found = _estimate(both, metric, peers, peers.tuning(metric))
    interval = found.interval()
    return {
        "pairs": len(both),
        "delta_mean": interval.mean,
        "delta_low": interval.low,
        "delta_high": interval.high,
        "error": found.error,
        "freedom": found.freedom,
        "has_tuning": found.tuning != NONE,
        "two_way_p": found.p_value,
        "mde": found.detectable,
        "t_p": paired_p_value(deltas),
        "wilcoxon_p": wilcoxon_p_value(deltas),
        **(_delong(both) if metric == "auc" else {"delong_p": np.nan, "delong_runs": np.nan}),
    }


def _delong(both: list[tuple[RunRecord, RunRecord]]) -> dict[str, object]:
    """DeLong's test of the mean over the seeds, and in how many runs it is significant.

    The test is one of the rows of one log: of several draws there is no test of the mean.
    """
    if not both:
        return {"delong_p": np.nan, "delong_runs": np.nan}
    single = [contrast(labels(one), [placed(one)], [placed(two)]).p_value for one, two in both]
    found: dict[str, object] = {"delong_runs": int((np.array(single) < TEST_LEVEL).sum())}
    if len(set(draws_of(both))) > 1:
        return found | {"delong_p": np.nan}
    left, right = ([placed(pair[side]) for pair in both] for side in (0, 1))
    return found | {"delong_p": contrast(labels(both[0][0]), left, right).p_value}


def _corrected(rows: pd.DataFrame, place: list[str]) -> pd.DataFrame:
    """The rows of one data set and backbone, with Holm's corrections over all of them.

    Two models compared twice, such as in both directions, are one test.
    """
    sides = (rows[names].agg(tuple, axis=1) for names in (MODEL_SIDE, OTHER))
    pairs = [frozenset(pair) for pair in zip(*sides, strict=True)]
    tested = rows.assign(pair=pd.Series(pairs, rows.index)).groupby(["pair", "metric"], sort=False)
    first, position = tested.head(1), tested.ngroup()
    dataset, partition, backbone = place
    title = f"{data_title(dataset, partition)}, {title_of(backbone, BASELINE)}"
    rows = rows.assign(
        t_p_holm=holm(first["t_p"])[position],
        two_way_p_holm=holm(first["two_way_p"])[position],
        family=f"{len(first)} tests of {title}",
    )
    sign = [-1.0 if METRICS[metric].lower_is_better else 1.0 for metric in rows["metric"]]
    is_better = sign * rows["delta_mean"] > 0.0
    return rows.assign(star=is_better & (rows["two_way_p_holm"] < TEST_LEVEL))
