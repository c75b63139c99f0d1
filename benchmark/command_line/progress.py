"""Words on how much there is to do, and how long it takes."""

from __future__ import annotations

import math

_UNITS = ((48 * 3600.0, 24 * 3600.0, "days"), (5400.0, 3600.0, "h"), (90.0, 60.0, "min"))
_FEW = 10.0  # units, below which half ones count


def duration(seconds: float) -> str:
    """`45 s`, `3 min`, `2.5 h` or `3 days`: seconds in the unit that a reader would take."""
    for least, unit, name in _UNITS:
        if seconds >= least:
            count = seconds / unit
            return f"{round(2 * count) / 2:g} {name}" if count < _FEW else f"{count:.0f} {name}"
    return f"{seconds:.0f} s"


def start_line(num_trials: int, num_runs: int, seconds: float, num_workers: int | None) -> str:
    """The number of trainings ahead, about how long they take, and in how many processes.

    Seconds that are nan are left out, as is an unknown number of workers.
    """
    total = num_trials + num_runs
    counts = {"trial": num_trials, "run": num_runs}
    what = [counted(count, noun) for noun, count in counts.items() if count]
    parts = what if len(what) == 1 else [f"{total:,} trainings ({', '.join(what)})"]
    parts += [] if math.isnan(seconds) else [f"about {duration(seconds)}"]
    parts += [counted(min(num_workers, total), "worker")] if num_workers else []
    return ", ".join(parts)


def counted(count: int, noun: str) -> str:
    """`1 run` or `22 runs`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
