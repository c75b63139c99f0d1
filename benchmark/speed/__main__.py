"""`python -m benchmark.speed [PART ...]`: measure on this machine and print a table."""

from __future__ import annotations

import argparse
import importlib
import os
from pathlib import Path

from benchmark.store.environment import ROOT

WRITING = ("cost", "scaling")  # their table is a file too
SIZED = ("prepare_speed", "memory_map")
PARTS = ("front_door", "gauc", "train_step", *SIZED, *WRITING)


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
    parser.add_argument(
        "--rows",
        type=int,
        help=f"rows of {' and '.join(SIZED)}; default 10 million",
    )
    options = parser.parse_args()
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # as the workers of the grid have it
    for part in options.parts:
        measure = importlib.import_module(f"benchmark.speed.{part}").measure
        arguments = [options.out] if part in WRITING else []
        arguments += [options.rows] if part in SIZED and options.rows else []
        for figure in measure(*arguments):
            print(f"{figure.name:42}  {figure.measured:24}  goal {figure.goal}", flush=True)


if __name__ == "__main__":
    main()
