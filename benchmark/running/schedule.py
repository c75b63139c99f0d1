"""The tasks that are ready: trials as their rounds come up, then runs with the best values."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from benchmark.config import ConfigError
from benchmark.planning.hyperparameters import facts, with_tuned
from benchmark.protocol import base_of
from benchmark.store.plan import Plan, read_former, read_plugin_checks
from benchmark.store.trials import BestKey, unequal
from benchmark.tasks import Compute, RunTask, TrialTask
from benchmark.tuning.search import Searching

if TYPE_CHECKING:
    from collections.abc import Collection

    from benchmark.config import RunConfig
    from benchmark.planning.cells import Layout, SearchKey
    from benchmark.store.records import RunStore, SlotState
    from benchmark.store.trials import Given
    from benchmark.tasks import Outcome
    from datasets.prepare import PreparedData


SEARCH_FAILED = "not run, for all trials of its search failed"
MISSING: tuple[SlotState, ...] = ("missing",)


class Agenda:
    """All searches and cells of a call; the source of tasks for an executor.

    Of its cells and trials those whose state is in `wanted` are run, "missing" ones in any case.
    `given` are values that were found before: nothing is searched then.
    """

    def __init__(
        self,
        layout: Layout,
        store: RunStore,
        *,
        compute: Compute = Compute(),
        wanted: Collection[SlotState] = MISSING,
        given: Given | None = None,
    ) -> None:
        self._layout, self._store = layout, store
        self._wanted, self._given = wanted, given
        self._former = read_former(store.out)
        self.plugin_checks = read_plugin_checks(store.out)  # those of the last call
        bases = {} if given else layout.bases
        self.searches: dict[SearchKey, Searching] = {
            key: Searching(
                base,
                layout.data[key.log],
                store.out,
                num_trials=layout.selection.num_trials,
                wanted=wanted,
            )
            for key, base in bases.items()
        }
        self.slots: dict[str, RunConfig] = dict(layout.slots)
        self.waiting: dict[str, str] = dict.fromkeys(layout.slots, "") if self.searches else {}
        self._tried = {
            trial.config.run_id: trial
            for searching in self.searches.values()
            for trial in searching.complete
        }
        self._trying: set[str] = set()  # run ids
        self._running: set[str] = set()  # run ids
        self._ended: set[str] = set()  # run ids
        self._todo: list[str] = []  # slot ids
        if given:
            self._use(given)
        if not self.searches:
            self._todo = [slot for slot in self.slots if self._is_wanted(slot)]
        self._hand_out()
        self.compute = replace(compute, workers=min(compute.workers, max(self.num_open, 1)))

    @property
    def plan(self) -> Plan:
        """The plan as it stands now."""
        return Plan(
            preset=self._layout.selection.preset.name,
            slots=self.slots,
            studies=self._layout.studies,
            searches=tuple(searching.search for searching in self.searches.values()),
            waiting=dict(self.waiting),
            tuned_from=str(self._given.folder) if self._given else "",
            facts=facts(),
            call=self._layout.selection.call,
            plugin_checks=self.plugin_checks,
            former=self._former,
        )

    @property
    def num_planned(self) -> int:
        """The number of all tasks, done ones too."""
        trials = sum(searching.search.num_trials for searching in self.searches.values())
        return trials + len(self.slots)

    @property
    def num_open(self) -> int:
        """The number of tasks that are still to come or running."""
        return len(self.open_trials) + len(self.open_runs) + len(self._running)

    @property
    def open_trials(self) -> list[tuple[RunConfig, PreparedData]]:
        """Of each trial that is still to come or running, the cell that it varies and its log."""
        return [
            (searching.base, searching.data)
            for searching in self.searches.values()
            for _ in range(searching.num_open)
        ]

    @property
    def open_runs(self) -> list[tuple[RunConfig, PreparedData]]:
        """The final runs that are still to come, with their logs; some wait for their values."""
        waiting = [slot for slot, reason in self.waiting.items() if not reason]
        return [(self.slots[slot], self._layout.logs[slot]) for slot in (*self._todo, *waiting)]

    @property
    def kept_runs(self) -> list[tuple[RunConfig, PreparedData]]:
        """The runs whose weights are kept, with their logs, but those that wait for values."""
        return [
            (config, self._layout.logs[slot])
            for slot, config in self.slots.items()
            if config.is_kept and slot not in self.waiting
        ]

    @property
    def num_given_up(self) -> int:
        """The number of tasks that have failed and are not to be done again."""
        if "failed" in self._wanted:
            return 0
        failed_trials = sum(searching.num_failed for searching in self.searches.values())
        states = (
            self.plan.state_of(slot) or self._store.marked_state(config)
            for slot, config in self.slots.items()
        )
        return sum(state == "failed" for state in states) + failed_trials

    def take(self) -> RunTask | TrialTask | None:
        """The next task that is ready: a trial as long as there is one, then a final run."""
        for searching in self.searches.values():
            if trial := self._next_trial(searching):
                return trial
        self._todo = [slot for slot in self._todo if self.slots[slot].run_id not in self._ended]
        for slot in self._todo:
            config = self.slots[slot]
            if config.run_id not in self._running:  # two slots may be one run
                self._todo.remove(slot)
                self._running.add(config.run_id)
                data, out = self._layout.logs[slot], self._store.out
                return RunTask(config=config, data=data, out=out, compute=self.compute)
        return None

    def _next_trial(self, searching: Searching) -> TrialTask | None:
        """The next trial of a search that is no run of another search; such a trial is copied."""
        while run_id := searching.next_run_id:
            if run_id in self._trying:
                return None
            if run_id not in self._tried:
                self._trying.add(run_id)
                return searching.take(self.compute)
            searching.copy(self._tried[run_id])
            self._hand_out()
        return None

    def settle(self, outcome: Outcome) -> None:
        """Take note of how a task ended."""
        task = outcome.task
        if isinstance(task, TrialTask):
            searching = next(s for s in self.searches.values() if s.search.folder == task.folder)
            trial = searching.settle(task, outcome)
            self._trying.remove(task.config.run_id)
            if trial.state == "complete":
                self._tried[task.config.run_id] = trial
            self._hand_out()
            return
        assert isinstance(task, RunTask)
        self._running.remove(task.config.run_id)
        self._ended.add(task.config.run_id)
        if outcome.error:
            self._store.write_error(task.config, outcome.error, outcome.detail)

    def unequal(self) -> list[str]:
        """Searches that have other than the planned number of trials; empty for equal budgets."""
        searches = [searching.search for searching in self.searches.values()]
        return unequal(searches, [len(searching.trials) for searching in self.searches.values()])

    def _hand_out(self) -> None:
        """Hand the values of finished searches to the cells that wait for them."""
        for slot in list(self.waiting):
            searching = self.searches[self._layout.search_of[slot]]
            if searching.best:
                self.slots[slot] = with_tuned(self.slots[slot], searching.best)
                self._release(slot)
            elif searching.is_finished:
                self.waiting[slot] = f"{SEARCH_FAILED}; trial 0: {searching.trials[0].error}"

    def _release(self, slot: str) -> None:
        del self.waiting[slot]
        if self._is_wanted(slot):
            self._todo.append(slot)

    def _is_wanted(self, slot: str) -> bool:
        return self._store.state(self.slots[slot]) in self._wanted

    def _use(self, given: Given) -> None:
        """Give the cells values that were found before.

        Raises:
            ConfigError: those of a cell are not among them, or its method or backbone refuses one.
        """
        for slot, config in self.slots.items():
            key = self._layout.search_of[slot]
            log = self._layout.data[key.log].spec
            names = (log.name, log.partition.name, key.backbone, key.method, key.search)
            wanted = BestKey(*names, base_of(config.protocol).name)
            path, tuned = given.find(wanted)
            try:
                self.slots[slot] = with_tuned(config, tuned)
            except ConfigError as error:
                raise ConfigError(
                    f"{path}: {error}; leave out --tuned to tune the model again, or leave out the"
                    " model with --backbones, --methods or --only"
                ) from None
