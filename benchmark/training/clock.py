"""Seconds of a piece of work by two clocks, which records keep side by side."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Seconds:
    """Seconds on the wall clock, and of CPU time of this process, in all its threads.

    Other work on the machine hardly moves the second.
    """

    wall: float
    cpu: float

    @classmethod
    def now(cls) -> Seconds:
        """The time that both clocks show."""
        return cls(time.perf_counter(), time.process_time())

    def named(self, work: str) -> dict[str, float]:
        """The seconds as records name them: `<work>_seconds` and `<work>_cpu_seconds`."""
        return {f"{work}_seconds": self.wall, f"{work}_cpu_seconds": self.cpu}

    def passed(self) -> Seconds:
        """The seconds since then."""
        return self.until(Seconds.now())

    def until(self, end: Seconds) -> Seconds:
        """The seconds from then to another moment."""
        return Seconds(end.wall - self.wall, end.cpu - self.cpu)
