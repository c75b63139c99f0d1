"""Changes of the difference of two models from one setting to another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from reports.analysis.comparisons import estimate
from reports.analysis.differences import mean_interval
from reports.statistics.estimates import Component, Estimate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmark.store.records import RunRecord
    from reports.reading.keys import Replicate
    from reports.statistics.paired_tests import Interval

METRIC = "auc"


@dataclass(frozen=True, slots=True)
class Gap:
    """The difference of two models in test AUC: run by run, and as an estimate."""

    runs: Mapping[Replicate, float]
    estimate: Estimate


def gap_of(own: Mapping[Replicate, RunRecord], other: Mapping[Replicate, RunRecord]) -> Gap:
    """The gap of two models of one setting, over the draws and seeds that both have."""
    values = {
        place: own[place].metrics["test"][METRIC] - other[place].metrics["test"][METRIC]
        for place in sorted(own.keys() & other.keys())
    }
    return Gap(values, estimate(own, other, METRIC))


def change_of(gap: Gap, base: Gap) -> Interval:
    """A gap less the same gap under the base setting, with its 95% interval.

    Of several draws both are taken draw by draw. On a single log they are taken as independent.
    Under two settings they are of the same test rows, which as a rule moves both alike: the
    interval is then too wide, not too narrow.
    """
    places = sorted(gap.runs.keys() & base.runs.keys())
    if len({place.draw for place in places}) > 1:
        changes = [gap.runs[place] - base.runs[place] for place in places]
        return mean_interval(pd.Series(changes, [place.draw for place in places]))
    return independent_change(gap.estimate, base.estimate)


def independent_change(own: Estimate, base: Estimate) -> Interval:
    """The difference of two independent estimates; its bounds are nan where one has no error."""
    parts = (Component(found.error**2, found.freedom) for found in (own, base))
    return Estimate(own.mean - base.mean, min(own.num, base.num), *parts).interval()
