"""The cells that claims compare, and their differences at the level that a claim asks for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import cast

from benchmark.config import Json, RunConfig
from benchmark.metrics import SCORES
from benchmark.protocol import PRESETS
from benchmark.store.records import RunRecord
from reports.analysis.comparisons import Peers, estimate, peers_of, tuning_between
from reports.claims.paper import paper_scores
from reports.claims.verdicts import (
    COUNTED,
    LEAST_REPLICATES,
    LEAST_TRIALS,
    BudgetSize,
    Expected,
    JudgedPart,
    Part,
)
from reports.reading.exclusions import are_capped, cap_warning
from reports.reading.keys import Block, Family, Replicate
from reports.reading.load import Runs
from reports.reading.names import BASELINE, model_title
from reports.statistics.estimates import NONE, Component
from reports.statistics.paired_tests import NO_INTERVAL, Interval

NOT_PLANNED = "not planned"  # the changes of a cell that no plan has


@dataclass(frozen=True, slots=True)
class ComparedModel:
    """One model of a comparison, and its finished runs by draw and seed."""

    backbone: str
    method: str
    changes: str
    runs: dict[Replicate, RunRecord]

    @property
    def title(self) -> str:
        """The model in words."""
        return model_title(self.backbone, self.method, self.changes)


@dataclass(frozen=True)
class Evidence:
    """The evidence of one log, or of all draws of one: its runs, and ways to find them."""

    runs: Runs
    family: Family

    def subject(
        self, backbone: str, method: str, is_wanted: Callable[[RunConfig], bool] | None = None
    ) -> ComparedModel:
        """A model of the log: its main cell, or the cell whose configuration is wanted."""
        model = (*self.family, backbone, method)
        found = (
            cell.key
            for cell in self.runs.cells
            if cell.key[:4] == model and (is_wanted(cell.config) if is_wanted else not cell.changes)
        )
        return self.of_cell(next(found, (*model, NOT_PLANNED)))

    def pinned(self, backbone: str, method: str, pins: Mapping[str, Json]) -> ComparedModel:
        """A model with hyper-parameters that a study fixes."""

        def is_wanted(config: RunConfig) -> bool:
            return config.pinned == pins and config.labels == "given"

        return self.subject(backbone, method, is_wanted)

    def of_cell(self, key: tuple[str, ...]) -> ComparedModel:
        """The model with these values of `keys.CELL`."""
        _, _, backbone, method, changes = key
        return ComparedModel(backbone, method, changes, self.runs.finished.get(key, {}))

    def gap(
        self,
        left: ComparedModel,
        right: ComparedModel,
        metric: str,
        *,
        paper: float = math.nan,
        expected: Expected = "above",
        needs: str = "two seeds or more of both, with clicks and non-clicks in test",
    ) -> Part:
        """The difference of two models on test, for other seeds, test rows and tuned values."""
        peers = [self.peers(one.backbone) for one in (left, right)]
        are_peers = peers[0] is peers[1] and all(
            not one.changes and one.method in peers[0].cells for one in (left, right)
        )
        found = estimate(
            left.runs,
            right.runs,
            metric,
            peers[0] if are_peers else None,
            self.tuning(left, right, metric),
        )
        return Part(
            label=f"{left.title} \N{MINUS SIGN} {right.title}, {SCORES[metric].title}",
            measure=found.interval,
            estimate=found,
            paper=paper,
            expected=expected,
            unit=metric,
            needs=needs,
            blocked=blocked_by(left, right),
            replicates=self.replicates,
        )

    def tuning(self, left: ComparedModel, right: ComparedModel, metric: str) -> Component:
        """The component of tuned values in the difference; cells of one method share them."""
        if left.backbone != right.backbone:
            sides = [(self.peers(one.backbone), one.method) for one in (left, right)]
            return tuning_between(sides, metric)
        if left.method == right.method:
            return NONE
        return self.peers(left.backbone).tuning(metric)

    def peers(self, backbone: str) -> Peers:
        """The models of the log on a backbone."""
        return peers_of(self.runs, Block(*self.family, backbone))

    @property
    def is_generated(self) -> bool:
        """True where the log was drawn from known probabilities."""
        return not self.runs.ceilings(self.family).empty

    @property
    def replicates(self) -> str:
        """The values that intervals are over."""
        return "draws" if len(self.runs.families[self.family]) > 1 else "seeds"

    @property
    def num_columns(self) -> int:
        """The number of columns that make the domains."""
        return len(self.family.partition.split("+"))

    def printed(self, backbone: str, method: str, metric: str) -> float:
        """The paper's number for a model on the log that this one stands for; nan if none."""
        scores = paper_scores(self.family.dataset, backbone, method)
        return math.nan if scores is None else cast("float", dict(scores)[metric])

    def backbones(self) -> list[str]:
        """The backbones with a plain main cell, in the order of the plan."""
        here = (*self.family, BASELINE, "")
        keys = [cell.key for cell in self.runs.cells]
        return list(dict.fromkeys(key[2] for key in keys if key[:2] + key[3:] == here))

    @property
    def first_backbone(self) -> str:
        """The first backbone with a plain main cell; empty without one."""
        return next(iter(self.backbones()), "")


def budget_of(runs: Runs, parts: Iterable[JudgedPart]) -> BudgetSize:
    """The budget of the runs behind the parts of a claim.

    Intervals have to be over enough seeds or draws; counts have none.
    """
    if not PRESETS[runs.preset].has_verdicts:
        return "none"
    trials = [search.search.num_trials for search in runs.searches]
    is_tuned = bool(trials) and not runs.tuned_from and min(trials) >= LEAST_TRIALS
    numbers = [
        one.interval.num
        for one in parts
        if one.part.unit != COUNTED and not math.isnan(one.interval.low)
    ]
    return "full" if is_tuned and min(numbers, default=math.inf) >= LEAST_REPLICATES else "small"


def blocked_by(*subjects: ComparedModel) -> str:
    """The change asked for where the cap on epochs stopped too many of these models' runs.

    Empty where it did not: a comparison of them may settle something.
    """
    capped = [subject.title for subject in subjects if are_capped(subject.runs.values())]
    return cap_warning(capped)


def counted(value: float) -> Callable[[float], Interval]:
    """The interval of a number that has no error, such as a count of parameters."""
    return lambda _level: Interval(value, value, value, 1)


def absent(_level: float) -> Interval:
    """The interval of what was not run."""
    return NO_INTERVAL
