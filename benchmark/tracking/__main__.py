"""Copies the store into MLflow: `python -m benchmark.tracking --sync --out DIR`."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.config import ConfigError
from benchmark.store.environment import ROOT
from benchmark.store.files import RecordError
from benchmark.store.plan import read_plan
from benchmark.tracking.database import DATABASE
from benchmark.tracking.tracker import Tracker, masked
from datasets.command_line import OK, Parser, exit_code

if TYPE_CHECKING:
    from collections.abc import Sequence


def make_parser() -> Parser:
    """The command line."""
    parser = Parser(prog="python -m benchmark.tracking", description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=ROOT / "benchmark" / "runs", help="default benchmark/runs"
    )
    parser.add_argument("--tracking-uri", metavar="URI", help="a server instead of OUT/mlflow.db")
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--sync", action="store_true", help="import what is new")
    action.add_argument(
        "--rebuild",
        action="store_true",
        help="set the database aside and import everything into a new one",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Import; the exit code."""
    parser = make_parser()
    args = parser.parse_args(arguments)
    if args.rebuild and args.tracking_uri:
        parser.error("--rebuild is for the database in --out; use --sync with --tracking-uri")
    act = partial(_import, args.out.resolve(), args.tracking_uri, is_rebuilt=args.rebuild)
    return exit_code(parser.prog, act, ConfigError, RecordError)


def _import(out: Path, tracking_uri: str | None, *, is_rebuilt: bool) -> int:
    plan, tracker = read_plan(out), Tracker(out, tracking_uri)
    if is_rebuilt:
        former = tracker.rebuild(plan)
        if former:
            sys.stdout.write(f"the former database is {former}\n")
    else:
        tracker.sync(plan)
    place = masked(tracking_uri) if tracking_uri else out / DATABASE
    sys.stdout.write(f"imported into {place}\n")
    return OK


if __name__ == "__main__":
    sys.exit(main())
