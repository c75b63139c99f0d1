"""Trials and outcomes of tuning, search by search, and whether all cells had one budget."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark.config import Json, RunConfig
from benchmark.protocol import TUNING, Protocol
from benchmark.store.plan import Plan, Search
from benchmark.store.trials import Trial, read_trials, unequal
from reports.reading.clock import seconds_of
from reports.reading.keys import family_of


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchTrials:
    """A search of the plan and its trials; `is_awaited` while a cell waits for its outcome."""

    search: Search
    trials: tuple[Trial, ...]
    is_awaited: bool

    @property
    def is_unfinished(self) -> bool:
        """True where trials are still to come, as opposed to a choice made without them."""
        return self.is_awaited and len(self.trials) < self.search.num_trials

    @property
    def dev_values(self) -> list[float]:
        """The dev values of the complete trials, by index."""
        return [trial.value for trial in self.trials if trial.value is not None]

    @property
    def seconds(self) -> float:
        """The seconds of all trials, by the clock of each."""
        return sum(map(seconds_of, self.trials))

    @property
    def paper_value(self) -> float:
        """The dev value of trial 0, which has the values of the papers; nan without one."""
        first = (t.value for t in self.trials if t.index == 0 and t.value is not None)
        return next(first, math.nan)

    @property
    def guided_trials(self) -> int:
        """The number of trials proposed from earlier ones; the sampler drew the others at random.

        It proposes own values alone, so none in a search without any.
        """
        if not self.search.own_dimensions:
            return 0
        complete = np.array([trial.index for trial in self.trials if trial.state == "complete"])
        starts = (trial.index - trial.index % TUNING.trials_per_round for trial in self.trials)
        return sum(int((complete < start).sum()) >= TUNING.startup_trials for start in starts)


def read_searches(out: Path, plan: Plan) -> tuple[SearchTrials, ...]:
    """The searches of a plan with the trials that they have in an output folder."""
    return tuple(
        SearchTrials(
            search=search,
            trials=tuple(read_trials(out / search.folder, search.num_trials)),
            is_awaited=any(
                _leads_to(search, config)
                for slot, config in plan.slots.items()
                if plan.state_of(slot) == "missing"
            ),
        )
        for search in plan.searches
    )


def budget_errors(searches: Sequence[SearchTrials]) -> list[str]:
    """One line per cell whose whole budget differs from the others of its log, or from its plan.

    Trials that are still to come are no error. Trials of other epochs, rows of a batch or rules of
    stopping are one: all trials of a log have one protocol. So is a trial that tried other values
    than the same trial of another method on the backbone, of those that all share.
    """
    settled = [entry for entry in searches if not entry.is_unfinished]
    lines = unequal([entry.search for entry in settled], [len(entry.trials) for entry in settled])
    return lines + _other_protocols(settled) + _other_shared_values(settled)


def origin(guided: int, total: int, tuned_from: str) -> str:
    """The origin of the tuned values, in words.

    Args:
        guided: the trials that the sampler proposed from earlier ones.
        total: all trials.
        tuned_from: where values were read instead, if they were.
    """
    if tuned_from:
        return f"Nothing was searched: the tuned values were read from {tuned_from}."
    rule = (
        f"TPE learns from earlier trials only once {TUNING.startup_trials} of them are complete"
        f" before a round of {TUNING.trials_per_round}"
    )
    if guided:
        head = f"TPE proposed {guided:,} of the {total:,} trials. {rule}."
    else:
        head = f"The search was random: {rule}, and no search came that far."
    return (
        f"{head} Trial 0 has the papers' values; the rest were drawn at random. A backbone's"
        " structure and the regularisers always are, by the trial's number alone: trial i has the"
        " same for every method on the backbone, and each regulariser is 0 with a chance of"
        f" {TUNING.zero_share:.0%}."
    )


def expected_best(values: Sequence[float], num_draws: int) -> float:
    """The expected highest of `num_draws` independent draws, with replacement, from `values`.

    Of N values in ascending order the i-th is the highest of n draws with the probability
    (i / N)^n - ((i - 1) / N)^n (Dodge et al.: Show Your Work, EMNLP 2019, section 3). Undefined,
    nan, for more draws than there are values.
    """
    if not 1 <= num_draws <= len(values):
        return math.nan
    at_most = (np.arange(len(values) + 1) / len(values)) ** num_draws
    return float(np.sort(values) @ np.diff(at_most))


def _other_protocols(searches: Sequence[SearchTrials]) -> list[str]:
    """One line per search with trials of another protocol than the first search of its log."""
    first: dict[tuple[str, str], Protocol] = {}
    lines = []
    for entry in searches:
        log = (entry.search.dataset, entry.search.partition)
        for trial in entry.trials:
            protocol = trial.config.protocol
            if first.setdefault(log, protocol) != protocol:
                lines.append(f"{entry.search.title}: trial {trial.index} has another protocol")
    return lines


def _other_shared_values(searches: Sequence[SearchTrials]) -> list[str]:
    """One line per shared value that is not that of the backbone's first search with the trial."""
    first: dict[tuple[object, ...], Json] = {}
    lines = []
    for entry in searches:
        search = entry.search
        place = (search.dataset, search.partition, search.backbone, search.number)
        for trial in entry.trials:
            for name in search.shared_dimensions:
                value = trial.params.get(name)
                usual = first.setdefault((*place, trial.index, name), value)
                if value != usual:
                    lines.append(
                        f"{search.title}: trial {trial.index} tried {name} {value}, other methods"
                        f" {usual}"
                    )
    return lines


def _leads_to(search: Search, config: RunConfig) -> bool:
    """True where a cell takes the values that a search chooses."""
    cell = (*family_of(config), config.backbone, config.method, config.search)
    names = (search.dataset, search.partition, search.backbone, search.method)
    return cell == (*names, search.number)
