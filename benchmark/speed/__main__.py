"""`python -m benchmark.speed [PART ...]`: measure on this machine and print a table."""

from __future__ import annotations

import importlib
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.store.environment import ROOT
from datasets.command_line import OK, Parser, at_least, exit_code

if TYPE_CHECKING:
    import argparse

WRITING = ("cost", "scaling")  # their table is a file too
SIZED = ("prepare_speed", "memory_map")
PARTS = ("front_door", "gauc", "train_step", *SIZED, *WRITING)


def main() -> int:
    """Measure the parts that were asked for, one after the other; returns the exit code."""
    parser = Parser(prog="python -m benchmark.speed", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=PARTS, default=PARTS, help="default: all")
    parser.add_argument(
        "--out",
        type=Path,
        default=ROOT / "benchmark" / "runs",
        help="cost and scaling write OUT/cost/*.csv; default benchmark/runs",
    )
    parser.add_argument(
        "--rows",
        type=at_least(1),
        help=f"rows of {' and '.join(SIZED)}; default 10 million",
    )
    return exit_code(parser.prog, partial(_print_figures, parser.parse_args()))


def _print_figures(options: argparse.Namespace) -> int:
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # as the workers of the grid have it
    for part in options.parts:
        measure = importlib.import_module(f"benchmark.speed.{part}").measure
        arguments = [options.out] if part in WRITING else []
        arguments += [options.rows] if part in SIZED and options.rows else []
        for figure in measure(*arguments):
            print(f"{figure.name:42}  {figure.measured:24}  goal {figure.goal}", flush=True)
    return OK


if __name__ == "__main__":
    sys.exit(main())
