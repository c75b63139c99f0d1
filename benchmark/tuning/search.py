"""One search: its trials by rounds, taken up where it was interrupted."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from benchmark.config import RUN_ID_LENGTH, ConfigError, digest_of
from benchmark.planning.hyperparameters import (
    own_space,
    shared_space,
    shared_values,
    with_params,
)
from benchmark.protocol import TUNING
from benchmark.store.files import RecordError
from benchmark.store.plan import Search
from benchmark.store.trials import Trial, Tuned, best_of, read_trial, write_best, write_trial
from benchmark.tasks import TrialTask

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from benchmark.config import Json, RunConfig
    from benchmark.store.records import SlotState
    from benchmark.tasks import Compute, Outcome
    from datasets.prepare import PreparedData
    from models.interfaces import SearchSpace


class Searching:
    """One search: which trials it has, and which it needs next.

    A stored trial counts if it tried what this search would have it try; else it is done again
    under its index.
    """

    def __init__(
        self,
        base: RunConfig,
        data: PreparedData,
        out: Path,
        *,
        num_trials: int,
        wanted: Collection[SlotState],
    ) -> None:
        """Take up what is stored and not wanted again."""
        self.out, self.data, self.base, self._wanted = out, data, base, wanted
        self._own, shared = own_space(base.backbone, base.method), shared_space(base.backbone)
        self.search = Search(
            dataset=base.dataset,
            draw=base.draw,
            partition="+".join(base.partition),
            backbone=base.backbone,
            method=base.method,
            number=base.search,
            num_trials=num_trials,
            own_dimensions=tuple(self._own),
            shared_dimensions=tuple(shared),
            folder=_folder(base, self._own | shared),
        )
        self.trials: list[Trial] = []  # those of finished rounds, by index
        self.best: Tuned | None = None
        self._round: dict[int, Trial | None] = {}  # None: to do, or being done
        self._todo: list[tuple[int, dict[str, Json], RunConfig]] = []
        self._advance()

    @property
    def folder(self) -> Path:
        """The folder of the trials."""
        return self.out / self.search.folder

    @property
    def is_finished(self) -> bool:
        """True if all trials are there."""
        return len(self.trials) == self.search.num_trials

    @property
    def num_failed(self) -> int:
        """The number of stored trials that have failed, those of an unfinished round too."""
        return sum(trial.state == "failed" for trial in self._kept)

    @property
    def num_open(self) -> int:
        """The number of trials that are still to come."""
        return self.search.num_trials - len(self._kept)

    @property
    def complete(self) -> list[Trial]:
        """The stored trials that have a value, those of an unfinished round too."""
        return [trial for trial in self._kept if trial.state == "complete"]

    @property
    def _kept(self) -> list[Trial]:
        return [*self.trials, *(trial for trial in self._round.values() if trial)]

    @property
    def next_run_id(self) -> str:
        """The run id of the next trial that is ready; empty without one."""
        return self._todo[0][2].run_id if self._todo else ""

    def take(self, compute: Compute) -> TrialTask:
        """The next trial, which must be ready."""
        index, params, config = self._todo.pop(0)
        return TrialTask(
            index=index,
            params=params,
            config=config,
            folder=self.search.folder,
            data=self.data,
            out=self.out,
            compute=compute,
        )

    def copy(self, twin: Trial) -> None:
        """Take the next trial from another search, where it is the same run."""
        index, params, config = self._todo.pop(0)
        write_trial(self.folder, replace(twin, index=index, params=params, config=config))
        self._note(index)

    def settle(self, task: TrialTask, outcome: Outcome) -> Trial:
        """Take note of a trial that has ended, and return it."""
        if outcome.error:
            write_trial(self.folder, _failed(task, outcome))
        return self._note(task.index)

    def _note(self, index: int) -> Trial:
        """Read a stored trial, and go on to the next round after the last one of a round."""
        trial = self._round[index] = read_trial(self.folder, index)
        if None not in self._round.values():
            self._advance()
        return trial

    def _advance(self) -> None:
        """Close rounds that are complete and open the next ones, until one has something to do."""
        while None not in self._round.values():
            self.trials += filter(None, self._round.values())
            self._round = {}
            if self.is_finished:
                break
            self._open_round()
        best = best_of(self.trials) if self.is_finished else None
        if best:
            write_best(self.folder, self.search, best)
            self.best = Tuned.of(best.config)

    def _open_round(self) -> None:
        for index, params in enumerate(self._proposals(), start=len(self.trials)):
            try:
                config = with_params(self.base, params)
            except ConfigError as error:
                self._round[index] = self._refused(index, params, str(error))
                continue
            self._round[index] = self._stored(index, config)
            if self._round[index] is None:
                self._todo.append((index, params, config))

    def _proposals(self) -> list[dict[str, Json]]:
        """The values that the next round tries; the first trial of all has those of the base."""
        from benchmark.tuning.sampler import next_round  # optuna is slow to import

        start, search = len(self.trials), self.search
        count = min(TUNING.trials_per_round, search.num_trials - start)
        values = Tuned.of(self.base).values
        first = {name: values[name] for name in search.dimensions}
        own = next_round(self._own, first, self.trials, count=count, search=search.number)
        return [
            first | drawn | shared_values(search.backbone, search.number, index) if index else first
            for index, drawn in enumerate(own, start)
        ]

    def _refused(self, index: int, params: Mapping[str, Json], error: str) -> Trial:
        """A failed trial of values that the method or the backbone does not take together."""
        trial = Trial(index=index, config=self.base, params=params, state="failed", error=error)
        write_trial(self.folder, trial)
        return trial

    def _stored(self, index: int, config: RunConfig) -> Trial | None:
        """The trial of this index, if it tried this."""
        try:
            trial = read_trial(self.folder, index)
        except RecordError:
            return None
        state = "done" if trial.state == "complete" else "failed"
        is_kept = state not in self._wanted and trial.config.run_id == config.run_id
        return trial if is_kept else None


def _folder(base: RunConfig, space: SearchSpace) -> str:
    """The folder of a search, named by all that its trials depend on but how many there are."""
    content: dict[str, Json] = {
        "base": base.identity(),
        "space": {name: asdict(where) for name, where in space.items()},
        "tuning": asdict(TUNING),
    }
    return "/".join(("tuning", *base.folder, digest_of(content)[:RUN_ID_LENGTH]))


def _failed(task: TrialTask, outcome: Outcome) -> Trial:
    return Trial(
        index=task.index,
        config=task.config,
        params=task.params,
        state="failed",
        error=outcome.error,
        detail=outcome.detail,
        seconds=outcome.seconds,
        cpu_seconds=outcome.cpu_seconds,
        environment={"device": task.compute.device},
    )
