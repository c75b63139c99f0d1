"""Latencies of the kept models of a call, measured after its trainings, one model at a time.

Beside other trainings the 99th percentile of a call would be that of waiting for a core.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from benchmark.running.local import run_tasks
from benchmark.store.files import RecordError
from benchmark.store.records import RunStore
from benchmark.tasks import RunTask

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmark.running.schedule import Agenda
    from benchmark.tasks import Outcome, Task

CALLS = MappingProxyType({1: 1_000, 256: 200})  # by the rows of a call


def measure_latencies(agenda: Agenda, store: RunStore) -> Iterator[str]:
    """Measure what is missing in a process of its own; lines on how it goes.

    A model that cannot be loaded or run fails its own latency alone, which the next call tries
    again. The latency is that of the device of the training; where the call has another, a GPU's
    is left out.
    """
    missing = _missing(agenda, store)
    here = ("cpu", agenda.compute.device)
    tasks = [task for task in missing if task.compute.device in here]
    for device in sorted({task.compute.device for task in missing} - {*here}):
        yield f"latencies of models on {device} not measured; --device {device} measures them"
    if tasks:
        yield f"measuring latencies, one model at a time: {len(tasks)}"
    for outcome in run_tasks(_Tasks(tasks), num_workers=1, do=measure):
        if outcome.error:
            yield f"latency of {outcome.task.title} not measured: {outcome.error}"


def measure(task: RunTask) -> None:
    """Measure and write the latency of the kept model of a run.

    Raises:
        ModelError: the model is not whole.
        OSError: the output folder cannot be written.
    """
    from benchmark.cost.counts import latency  # torch is slow to import
    from benchmark.training.kept import kept_model
    from benchmark.training.process import environment_of, set_up_torch
    from datasets.loader import EncodedRows
    from models.predictors import predictor_of

    device = task.compute.device
    set_up_torch(task.compute)
    store = RunStore(task.out)
    kept = kept_model(store, task.config)
    model = kept.design.assemble(kept.schema).to(device)
    rows = EncodedRows(task.data.rows(), kept.schema, device)
    measured = latency(predictor_of(model, kept.weights), rows, CALLS)
    store.write_latency(task.config, measured, environment_of(device))


class _Tasks:
    """Tasks of which none waits for another."""

    def __init__(self, tasks: Sequence[RunTask]) -> None:
        self._todo = list(reversed(tasks))

    def take(self) -> Task | None:
        return self._todo.pop() if self._todo else None

    def settle(self, outcome: Outcome) -> None:
        """Take no note: nothing follows from it."""


def _missing(agenda: Agenda, store: RunStore) -> list[RunTask]:
    """The kept runs without a latency, each on the device of its training."""
    found = []
    for config, data in agenda.kept_runs:
        try:
            record = store.read_run(config)
        except RecordError:
            continue  # it has failed, or its files were changed
        if not record.latency:
            compute = replace(agenda.compute, device=str(record.environment["device"]))
            found.append(RunTask(config=config, data=data, out=store.out, compute=compute))
    return found
