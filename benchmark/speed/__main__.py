"""`python -m benchmark.speed [PART ...]`: measure on this machine and print a table."""

from __future__ import annotations

import argparse
import importlib
import os
from pathlib import Path

from benchmark.environment import ROOT

WRITING = ("cost", "scaling")  # their table is a file too
PARTS = ("front_door", "gauc", "train_step", "prepare_speed", *WRITING)


def main() -> None:
    """Measure the parts that were asked for, one after the other."""
    parser = argparse.ArgumentParser(prog="python -m benchmark.speed", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=PARTS, default=PARTS, help="default: all")
    parser.add_argument(
        "--out",
        type=Path,
        default=ROOT / "benchmark" / "runs",
        help="cost and scaling write OUT/cost/*.csv; default benchmark/runs",
    )
    options = parser.parse_args()
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # as the workers of the grid have it
    for part in options.parts:
        measure = importlib.import_module(f"benchmark.speed.{part}").measure
        for figure in measure(options.out) if part in WRITING else measure():
            print(f"{figure.name:42}  {figure.measured:24}  goal {figure.goal}", flush=True)


if __name__ == "__main__":
    main()
