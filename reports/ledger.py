"""What tuning spent and found, search by search, and whether every cell had the same budget."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmark.protocol import TUNING
from benchmark.trials import read_trials, unequal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmark.plans import Plan, Search
    from benchmark.protocol import Protocol
    from benchmark.trials import Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchTrials:
    """A search of the plan and its trials; `is_awaited` while a cell waits for its outcome."""

    search: Search
    trials: tuple[Trial, ...]
    is_awaited: bool

    @property
    def is_unfinished(self) -> bool:
        """Whether trials are still to come, as opposed to a choice made without them."""
        return self.is_awaited and len(self.trials) < self.search.num_trials

    @property
    def dev_values(self) -> list[float]:
        """The dev values of the complete trials, by index."""
        return [trial.value for trial in self.trials if trial.value is not None]

    @property
    def paper_value(self) -> float:
        """The dev value of trial 0, which has the values of the papers; nan without one."""
        first = (t.value for t in self.trials if t.index == 0 and t.value is not None)
        return next(first, math.nan)

    @property
    def guided_trials(self) -> int:
        """How many trials the sampler proposed from earlier ones; it drew the others at random.

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
            trials=_trials(out, search),
            is_awaited=any(
                _builds_on(plan, slot, search)
                for slot in plan.slots
                if plan.state_of(slot) == "missing"
            ),
        )
        for search in plan.searches
    )


def budget_errors(searches: Sequence[SearchTrials]) -> list[str]:
    """One line per search that differs from the others of its log and stage, or from its plan.

    Trials that are still to come are no error. Trials of other epochs, rows of a batch or rules of
    stopping are one: all trials of a log have one protocol.
    """
    settled = [entry for entry in searches if not entry.is_unfinished]
    lines = unequal([entry.search for entry in settled], [len(entry.trials) for entry in settled])
    return lines + _other_protocols(settled)


def origin(guided: int, total: int, tuned_from: str) -> str:
    """How the tuned values came about, in words.

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
        f"{head} Trial 0 has the papers' values; the rest were drawn at random. Regularisers always"
        " are, by the trial's number alone: trial i has the same in every search of a network, each"
        f" of them 0 with a chance of {TUNING.zero_share:.0%}."
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


def _trials(out: Path, search: Search) -> tuple[Trial, ...]:
    if not search.folder:  # what it builds on is not known yet
        return ()
    return tuple(read_trials(out / search.folder, search.num_trials))


def _builds_on(plan: Plan, slot: str, search: Search) -> bool:
    """Whether a cell takes values that a search chooses."""
    config = plan.slots[slot]
    log = (config.dataset, "+".join(config.partition), config.backbone)
    is_same_model = log == (search.dataset, search.partition, search.backbone)
    return is_same_model and (search.stage == "backbone" or search.method == config.method)
