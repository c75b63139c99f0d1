"""The clock that times of trainings are shown by: CPU time, or on a GPU the wall clock.

Other work on the machine hardly moves the CPU time of a process. A GPU works while its process
waits, so that CPU time says nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from benchmark.config import Json
from benchmark.store.records import RunRecord
from benchmark.store.trials import Trial

CPU, WALL, BOTH = "CPU", "wall", "CPU or wall"
NOTE = (
    "Times of trainings are CPU time of their process, which other work on the machine hardly"
    " moves, and on a GPU wall-clock time."
)
LATENCY_NOTE = (
    "Latency is by the wall clock, measured once for each model with its first run: after all"
    " trainings, on one thread, while no other training ran."
)
_TIMES = {  # name: those of the record by the two clocks
    "train_compute_seconds": ("train_cpu_seconds", "train_seconds"),
    "evaluate_compute_seconds": ("evaluate_cpu_seconds", "evaluate_seconds"),
    "step_compute_milliseconds": ("step_cpu_milliseconds", "step_milliseconds"),
}


def clock_of(environments: Iterable[Mapping[str, Json] | None]) -> str:
    """The clock of trainings in these environments, one of `CPU`, `WALL` and `BOTH`."""
    kinds = {CPU if _is_on_cpu(environment) else WALL for environment in environments}
    return kinds.pop() if len(kinds) == 1 else BOTH


def unit(name: str, clock: str) -> str:
    """A unit of time by a clock, such as `CPU s`; which clock is not said where it varies."""
    return f"CPU {name}" if clock == CPU else name


def times_of(record: RunRecord) -> dict[str, Json]:
    """The times of a run by its clock, under names with `compute`."""
    is_on_cpu = _is_on_cpu(record.environment)
    timing = record.timing
    return {
        name: timing[on_cpu if is_on_cpu else on_gpu]
        for name, (on_cpu, on_gpu) in _TIMES.items()
        if on_gpu in timing
    }


def seconds_of(trial: Trial) -> float:
    """The seconds of a trial by its clock."""
    return trial.cpu_seconds if _is_on_cpu(trial.environment) else trial.seconds


def _is_on_cpu(environment: Mapping[str, Json] | None) -> bool:
    """True also of a trial whose values were refused, which did nothing."""
    return environment is None or environment["device"] == "cpu"
