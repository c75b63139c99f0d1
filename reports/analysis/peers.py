"""The models of a table: the main cells of one log and backbone, which share what varies."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from benchmark.config import SECOND_SEARCH
from reports.statistics.estimates import NONE, by_draw, tuning_component

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from benchmark.store.records import RunRecord
    from reports.reading.keys import Family, Replicate
    from reports.reading.load import Runs
    from reports.statistics.estimates import Component

    Replicates = Mapping[Replicate, RunRecord]  # the finished runs of a cell

LEAST_SEARCHED = 2  # models with two searches: what a search moves alike in all is no difference


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
def peers_of(runs: Runs, family: Family, backbone: str) -> Peers:
    """The models of a log and backbone, all of its draws."""
    own: dict[str, dict[str, Replicates]] = {"": {}, SECOND_SEARCH: {}}
    for (*block, method, changes), records in runs.study("main", "retuned").finished.items():
        if block == [*family, backbone] and changes in own:
            own[changes][method] = records
    return Peers(*own.values())
