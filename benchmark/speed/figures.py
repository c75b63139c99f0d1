"""The lines of a speed program, and how it measures time, memory and other processes."""

from __future__ import annotations

import math
import multiprocessing
import statistics
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from timeit import timeit
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PROCESS = Path("/proc/self")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Measurement:
    """One line of the table: what was measured, the value as text, and the goal as text."""

    name: str
    measured: str
    goal: str


def interleaved(
    acts: Mapping[str, Callable[[], object]], rounds: int, repeats: int
) -> dict[str, list[float]]:
    """Seconds of each act, round by round, all acts in turn so that a noisy machine hits all alike.

    A round's value is the mean of `repeats` calls.
    """
    seconds: dict[str, list[float]] = {name: [] for name in acts}
    for _ in range(rounds):
        for name, act in acts.items():
            seconds[name].append(timeit(act, number=repeats) / repeats)
    return seconds


def ratio(numerator: list[float], denominator: list[float]) -> float:
    """Median over the rounds of the ratio within a round."""
    return statistics.median(a / b for a, b in zip(numerator, denominator, strict=True))


def in_child(act: Callable[..., Result], *arguments: object) -> Result:
    """The result of a call in a fresh process, which has done nothing else."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(act, *arguments).result()


def memory_mib(field: str) -> float:
    """A field of this process's status in MiB, nan where the system has no such file.

    The peak is this one, `VmHWM`, and not that of `getrusage`, which a child process takes over
    from its parent.
    """
    with suppress(OSError):
        for line in (PROCESS / "status").read_text().splitlines():
            name, *values = line.split()
            if name == f"{field}:":
                return int(values[0]) / 1024
    return math.nan
