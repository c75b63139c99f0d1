"""What is kept of a training beside its scores: a summary for records, and the file of a trial."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from benchmark.store.trials import Trial, write_trial
from benchmark.training.process import environment_of

if TYPE_CHECKING:
    from benchmark.config import Json
    from benchmark.tasks import TrialTask
    from benchmark.training.trainer import Training


def keep_trial(
    task: TrialTask, training: Training, *, epochs: float, passes_per_visit: float, start: float
) -> None:
    """Write a complete trial that began at `start` of the performance counter.

    Raises:
        OSError: the output folder cannot be written.
    """
    trial = Trial(
        index=task.index,
        config=task.config,
        params=task.params,
        state="complete",
        value=training.best_dev_score,
        optimizer_steps=training.steps,
        epochs=epochs,
        sample_visits=training.sample_visits,
        row_passes=training.sample_visits * passes_per_visit,
        seconds=time.perf_counter() - start,
        environment=environment_of(task.device),
    )
    write_trial(task.out / task.folder, trial)


def summary(training: Training) -> dict[str, Json]:
    """What a record says of a training."""
    return {
        "best_step": training.best_step,
        "best_dev_score": training.best_dev_score,
        "candidates": training.candidates,
        "stopped_by": training.stopped_by,
    }
