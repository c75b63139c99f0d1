"""Every comparison of two models that the report makes: its interval and its tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.config import OWN, SECOND_SEARCH
from benchmark.metrics import METRICS, SCORES
from benchmark.protocol import PRESETS
from benchmark.store.records import RunRecord
from reports.reading.exclusions import few_rows
from reports.reading.keys import CELL, DATA, Block, Replicate, draw_of
from reports.reading.load import Runs
from reports.reading.names import BASELINE, block_title
from reports.reading.predictions import clusters, influence_sums, labels, placed
from reports.statistics.clusters import rows_component
from reports.statistics.estimates import (
    NONE,
    Component,
    Estimate,
    by_draw,
    tuning_component,
    two_way_estimate,
)
from reports.statistics.paired_tests import (
    TEST_LEVEL,
    contrast,
    holm,
    paired_p_value,
    wilcoxon_p_value,
)

Replicates = Mapping[Replicate, RunRecord]  # the finished runs of a cell
Pairs = list[tuple[RunRecord, RunRecord]]  # runs of two cells with the same draw and seed

LEAST_SEARCHED = 2  # models with two searches: what a search moves alike in all is no difference
Key = tuple[str, ...]  # the values of `CELL`
MODEL_SIDE = ["backbone", "method", "changes"]
OTHER = ["other_backbone", "other", "other_changes"]
KINDS = ("baseline", "second_best")


@dataclass(frozen=True, slots=True)
class Peers:
    """The finished runs of each model of a table, and those with the values of a second search."""

    cells: Mapping[str, Replicates]  # by method
    again: Mapping[str, Replicates]

    def scores(
        self, metric: str, places: Sequence[Replicate], pair: tuple[str, str]
    ) -> NDArray[np.float64]:
        """(M, S) of the models that have all of these runs and the metric, the pair first."""
        names = [*pair, *(name for name in self.cells if name not in pair)]
        table = [
            [self.cells[name][place].metrics["test"][metric] for place in places]
            for name in names
            if self.cells[name].keys() >= set(places)
        ]
        found = np.array(table, np.float64).reshape(len(table), len(places))
        return found[np.isfinite(found).all(axis=1)]

    def tuning(self, metric: str) -> Component:
        """The component of differences by the choice of tuned values; none if made once."""
        return self.tuning_of(lambda record: record.metrics["test"][metric])

    def tuning_of(self, score: Callable[[RunRecord], float]) -> Component:
        """The component of tuned values for any score of a run.

        Over the runs that all models with two searches have with the values of both; none below two
        models or two seeds or draws.
        """
        both = [(own, self.again[name]) for name, own in self.cells.items() if name in self.again]
        if len(both) < LEAST_SEARCHED:
            return NONE
        places = sorted(set.intersection(*(own.keys() & two.keys() for own, two in both)))
        found = [[score(own[place]) - score(two[place]) for place in places] for own, two in both]
        by_replicate = by_draw(np.array(found), [place.draw for place in places])
        return tuning_component(by_replicate) if by_replicate.shape[1] > 1 else NONE


def tuning_between(sides: Sequence[tuple[Peers, str]], metric: str) -> Component:
    """The component of tuned values for two models, each given by its table and method."""
    cells = {str(place): peers.cells.get(name, {}) for place, (peers, name) in enumerate(sides)}
    again = {
        str(place): peers.again[name]
        for place, (peers, name) in enumerate(sides)
        if name in peers.again
    }
    return Peers(cells, again).tuning(metric)


@lru_cache(maxsize=16)  # of the logs and backbones of a report
def peers_of(runs: Runs, block: Block) -> Peers:
    """The models of a log and backbone, all of its draws."""
    runs = runs.study("main", "retuned")
    return Peers(runs.of_block(block), runs.of_block(block, SECOND_SEARCH))


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
    difference by itself. `mde` is the least true difference that `two_way_p` would find. An
    undefined value is nan.

    Of several draws all intervals and tests are over the means of the draws, but for `delong_p`,
    which is one of the rows of a single log and is undefined.

    `t_p_holm` and `two_way_p_holm` are corrected over `family`, all rows of a data set and
    backbone. A comparison is a `star` where the method is better, its corrected two-way test is
    significant, and the log has enough rows of both classes.
    """
    main = runs.study("main")
    seeds = main.finished
    blocks = []
    for block, models in main.blocks():
        peers = peers_of(runs, block)
        cells = [tuple(cell) for cell in models[CELL].to_numpy() if tuple(cell) in seeds]
        rows = [
            dict(zip([*CELL, *OTHER], [*left, *right[len(DATA) :]], strict=True))
            | {"kind": kind, "metric": metric}
            | _tests(_common(seeds[left], seeds[right]), metric, peers)
            for left, right, kind in _comparisons(seeds, cells)
            for metric in SCORES
        ]
        if rows:
            table = _corrected(pd.DataFrame(rows))
            has_verdicts = PRESETS[runs.preset].has_verdicts
            table["star"] &= has_verdicts and not few_rows(main, block.family)
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
    top = {best(seeds, cells, "test", metric) for metric in SCORES} if cells else set()
    for cell in cells:
        others = [other for other in cells if other != cell]
        if others and (cell in top or cell[method] == OWN):
            pairs.append((cell, best(seeds, others, "dev", "auc"), KINDS[1]))
    return pairs


def best(seeds: Mapping[Key, Replicates], cells: list[Key], split: str, metric: str) -> Key:
    """The cell with the best mean over its seeds; an undefined mean is the worst."""
    sign = -1.0 if METRICS[metric].lower_is_better else 1.0

    def mean(cell: Key) -> float:
        scores = [record.metrics[split][metric] for record in seeds[cell].values()]
        return float(np.nan_to_num(sign * np.mean(scores), nan=-np.inf))

    return max(cells, key=mean)


def _common(own: Replicates, other: Replicates) -> Pairs:
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


def _deltas(both: Pairs, metric: str) -> NDArray[np.float64]:
    pairs = [(one.metrics["test"][metric], two.metrics["test"][metric]) for one, two in both]
    return np.array([own - other for own, other in pairs], np.float64)


def draws_of(both: Pairs) -> list[int]:
    """The draw of each pair of runs."""
    return [draw_of(one.config) for one, _ in both]


def _estimate(both: Pairs, metric: str, peers: Peers | None, tuning: Component) -> Estimate:
    table = None
    if both and peers:
        places = [Replicate(draw_of(one.config), one.config.seed) for one, _ in both]
        own, other = (record.config.method for record in both[0])
        table = peers.scores(metric, places, (own, other))

    def of_rows() -> Component:
        groupings = clusters(both[0][0]).groupings
        sums = np.empty((len(both), groupings[0].size))
        for row, (one, two) in zip(sums, both, strict=True):
            np.subtract(influence_sums(one, metric), influence_sums(two, metric), out=row)
        return rows_component(sums, *groupings)

    deltas, draws = _deltas(both, metric), draws_of(both)
    found = two_way_estimate(deltas, of_rows, draws, table=table, tuning=tuning)
    return replace(found, limit=METRICS[metric].widest)


def _tests(both: Pairs, metric: str, peers: Peers) -> dict[str, object]:
    """The columns of a row of `compare` that follow from the runs of one comparison alone."""
    deltas = by_draw(_deltas(both, metric), draws_of(both))
    found = _estimate(both, metric, peers, peers.tuning(metric))
    return {
        "pairs": len(both),
        **found.interval().named("delta"),
        "error": found.error,
        "freedom": found.freedom,
        "has_tuning": found.tuning != NONE,
        "two_way_p": found.p_value,
        "mde": found.detectable,
        "t_p": paired_p_value(deltas),
        "wilcoxon_p": wilcoxon_p_value(deltas),
        **(_delong(both) if metric == "auc" else {"delong_p": np.nan, "delong_runs": np.nan}),
    }


def _delong(both: Pairs) -> dict[str, object]:
    """DeLong's test of the mean over the seeds, and in how many runs it is significant.

    The test is one of the rows of one log: of several draws there is no test of the mean.
    """
    if not both:
        return {"delong_p": np.nan, "delong_runs": np.nan}
    single = [contrast(labels(one), placed(one), placed(two)).p_value for one, two in both]
    found: dict[str, object] = {"delong_runs": int((np.array(single) < TEST_LEVEL).sum())}
    if len(set(draws_of(both))) > 1:
        return found | {"delong_p": np.nan}
    left, right = (_mean_placed([pair[side] for pair in both]) for side in (0, 1))
    return found | {"delong_p": contrast(labels(both[0][0]), left, right).p_value}


def _mean_placed(records: Sequence[RunRecord]) -> NDArray[np.float64]:
    """The mean placements (N,) over the runs of a model, which are read one by one."""
    total = placed(records[0]).copy()
    for record in records[1:]:
        total += placed(record)
    total /= len(records)
    return total


def _corrected(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of one data set and backbone, with Holm's corrections over all of them.

    Two models compared twice, such as in both directions, are one test.
    """
    sides = (rows[names].agg(tuple, axis=1) for names in (MODEL_SIDE, OTHER))
    pairs = [frozenset(pair) for pair in zip(*sides, strict=True)]
    tested = rows.assign(pair=pd.Series(pairs, rows.index)).groupby(["pair", "metric"], sort=False)
    first, position = tested.head(1), tested.ngroup()
    rows = rows.assign(
        t_p_holm=holm(first["t_p"])[position],
        two_way_p_holm=holm(first["two_way_p"])[position],
        family=f"{len(first)} tests of {block_title(rows.iloc[0])}",
    )
    sign = [-1.0 if METRICS[metric].lower_is_better else 1.0 for metric in rows["metric"]]
    is_better = sign * rows["delta_mean"] > 0.0
    return rows.assign(star=is_better & (rows["two_way_p_holm"] < TEST_LEVEL))
