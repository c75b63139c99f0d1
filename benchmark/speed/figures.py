"""What a speed program hands back, and how it times."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


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
            start = time.perf_counter()
            for _ in range(repeats):
                act()
            seconds[name].append((time.perf_counter() - start) / repeats)
    return seconds


def ratio(numerator: list[float], denominator: list[float]) -> float:
    """Median over the rounds of the ratio within a round."""
    return statistics.median(a / b for a, b in zip(numerator, denominator, strict=True))
