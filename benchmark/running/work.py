"""From a task to the function that does it.

The function is imported as the task is done: torch is slow to import, and the parent needs none.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from benchmark.config import REFERENCE
from benchmark.tasks import RunTask

if TYPE_CHECKING:
    from benchmark.tasks import TrialTask


def work(task: RunTask | TrialTask) -> None:
    """Leave the run folder of a run, or the file of a trial.

    Raises:
        NonFiniteLossError: training left the numbers.
        OSError: the output folder cannot be written.
    """
    is_reference = task.config.method == REFERENCE
    module = import_module(f"benchmark.running.{'reference' if is_reference else 'network'}_run")
    do = module.run_cell if isinstance(task, RunTask) else module.run_trial
    do(task)
