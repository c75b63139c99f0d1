"""Seconds until the front door answers what needs no run, and seconds of a smoke run."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from functools import partial
from timeit import timeit

from benchmark.speed.figures import Measurement
from benchmark.store.environment import ROOT


def measure() -> list[Measurement]:
    """Medians of five calls; the smoke run once, with prepared data if there are any."""
    figures = []
    for words in (["--help"], ["--list", "methods"]):
        seconds = statistics.median(_seconds(words) for _ in range(5))
        figures.append(Measurement(f"run_all.py {' '.join(words)}", f"{seconds:.2f} s", "<= 1 s"))
    with tempfile.TemporaryDirectory() as out:
        seconds = _seconds(["--preset", "smoke", "--out", out])
    figures.append(Measurement("run_all.py --preset smoke", f"{seconds:.0f} s", "<= 120 s"))
    return figures


def _seconds(words: list[str]) -> float:
    command = [sys.executable, "run_all.py", *words]
    run = partial(subprocess.run, command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return timeit(run, number=1)
