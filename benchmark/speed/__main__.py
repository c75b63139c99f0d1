"""`python -m benchmark.speed [PART ...]`: measure on this machine and print a table."""

from __future__ import annotations

import argparse
import importlib
import os

PARTS = ("front_door", "gauc", "train_step", "prepare_speed")


def main() -> None:
    """Measure the parts that were asked for, one after the other."""
    parser = argparse.ArgumentParser(prog="python -m benchmark.speed", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=PARTS, default=PARTS, help="default: all")
    parts = parser.parse_args().parts
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # as the workers of the grid have it
    for part in parts:
        for figure in importlib.import_module(f"benchmark.speed.{part}").measure():
            print(f"{figure.name:42}  {figure.measured:24}  goal {figure.goal}", flush=True)


if __name__ == "__main__":
    main()
