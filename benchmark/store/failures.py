"""Failures of a store, those first that others follow from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark.store.trials import read_trials

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmark.store.plan import Plan
    from benchmark.store.records import RunStore


def failures(store: RunStore, plan: Plan) -> list[str]:
    """Failed trainings, each with its error line, then the cells that were not run for them.

    Trials come first, of these those whose search has none that is complete.
    """
    return [*_failed_trials(store, plan), *_failed_runs(store, plan), *_given_up(plan)]


def _failed_trials(store: RunStore, plan: Plan) -> list[str]:
    fatal: list[str] = []
    others: list[str] = []
    for search in plan.searches:
        trials = read_trials(store.out / search.folder, search.num_trials)
        failed = [trial for trial in trials if trial.state == "failed"]
        lines = fatal if len(failed) == len(trials) else others
        lines += [f"{search.title} trial {trial.index}: {trial.error}" for trial in failed]
    return fatal + others


def _failed_runs(store: RunStore, plan: Plan) -> Iterator[str]:
    for slot, config in plan.slots.items():
        if slot not in plan.waiting and store.marked_state(config) == "failed":
            yield f"{config.title}: {store.read_error(config)}"


def _given_up(plan: Plan) -> Iterator[str]:
    for slot, reason in plan.waiting.items():
        if reason:
            yield f"{plan.slots[slot].title}: {reason}"
