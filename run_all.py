"""Front door: choose data, models and a budget; run what is not done yet; then write the report."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmark.executors import Outcome
    from benchmark.grid import Grid
    from benchmark.records import RunStore

ROOT = Path(__file__).resolve().parent
OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
EXAMPLES = """\
examples:
  python run_all.py                    the quick comparison on the embedded data, then the report
  python run_all.py --preset smoke --data kuairand --data-dir path/to/kuairand_pure
  python run_all.py --data my_log.toml --methods plain adasparse --seeds 5
  python run_all.py --report-only      the report again, from the run folders

exit codes: 0 ok; 1 some cells failed, the report is written; 2 usage or bad input;
130 interrupted, run again to go on
"""


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Print the line and leave with the code for bad usage."""
        self.exit(USAGE, f"{self.prog}: error: {message}; see --help\n")


def check_imports() -> None:
    """Leave with a clear line when another package answers to one of our four names."""
    for name in ("datasets", "models", "benchmark", "reports"):
        spec = importlib.util.find_spec(name)
        origin = Path(spec.origin) if spec and spec.origin else None
        if origin is None or ROOT not in origin.resolve().parents:
            print(
                f"run_all.py: error: `import {name}` finds {origin}, not {ROOT / name};"
                " run `python run_all.py` from the repository root in its own environment"
                " (make setup), without PYTHONPATH and without python -P",
                file=sys.stderr,
            )
            sys.exit(USAGE)


def make_parser() -> Parser:
    """The command line."""
    parser = Parser(
        prog="run_all.py",
        description="Multi-domain CTR models: all methods on all backbones, one protocol.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_selection(parser)
    _add_execution(parser)
    return parser


def _add_selection(parser: Parser) -> None:
    from benchmark.protocol import DEFAULT_PRESET, PRESETS
    from models.registry import available

    group = parser.add_argument_group("what to run")
    presets = "; ".join(f"{preset.name}: {preset.summary}" for preset in PRESETS.values())
    group.add_argument(
        "--preset",
        choices=sorted(PRESETS),
        default=DEFAULT_PRESET,
        help=f"{presets} (default {DEFAULT_PRESET})",
    )
    group.add_argument(
        "--data",
        nargs="+",
        default=["synthetic"],
        metavar="NAME[/COLUMN+...]|SPEC.toml",
        help="catalog names, perhaps with a domain partition, or a description of your own log"
        " (default synthetic)",
    )
    group.add_argument(
        "--data-dir", type=Path, help="folder of the raw files (default datasets/data/raw/NAME)"
    )
    for kind in ("backbones", "methods"):
        names = available(kind)
        group.add_argument(
            f"--{kind}", nargs="+", choices=names, default=list(names), help="default: all"
        )
    group.add_argument(
        "--seeds", type=positive, metavar="N", help="number of seeds (default: the preset's)"
    )
    group.add_argument(
        "--embedding-optimizer",
        choices=("sparse", "dense"),
        default="sparse",
        help="Adam on the embedding rows of a batch, or on the whole table (default sparse)",
    )


def _add_execution(parser: Parser) -> None:
    from benchmark.overview import LISTS

    group = parser.add_argument_group("how to run")
    group.add_argument(
        "--jobs",
        type=positive,
        metavar="N",
        help=f"processes (default {usable_cores()}, or 1 with --device cuda)",
    )
    group.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="default cpu")
    group.add_argument(
        "--out", type=Path, default=ROOT / "benchmark" / "runs", help="default benchmark/runs"
    )
    group.add_argument("--retry-failed", action="store_true", help="run failed cells again")
    instead = parser.add_argument_group("instead of running").add_mutually_exclusive_group()
    instead.add_argument(
        "--dry-run", action="store_true", help="print all cells with a time estimate"
    )
    instead.add_argument(
        "--status", action="store_true", help="count the cells of the last call in --out by state"
    )
    instead.add_argument(
        "--report-only", action="store_true", help="write the report of the last call in --out"
    )
    instead.add_argument(
        "--list", choices=LISTS, dest="listing", help="what there is to choose from"
    )
    instead.add_argument(
        "--sys-info", action="store_true", help="versions and machine, for a bug report"
    )


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def positive(text: str) -> int:
    """An integer of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, got {text!r}")
    return int(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, act, and turn errors that the user can mend into one line; returns the exit code."""
    check_imports()
    args = make_parser().parse_args(arguments)
    args.jobs = args.jobs or (1 if args.device == "cuda" else usable_cores())
    from benchmark.config import ConfigError
    from benchmark.records import RecordError
    from datasets.spec import DataError

    try:
        return act(args)
    except (ConfigError, DataError, RecordError) as error:
        print(f"run_all.py: error: {error}", file=sys.stderr)
    except OSError as error:
        print(
            f"run_all.py: error: {error.filename or args.out}: {error.strerror or error}",
            file=sys.stderr,
        )
    except KeyboardInterrupt:
        print(
            "\ninterrupted; finished cells are kept: run the same command again to go on",
            file=sys.stderr,
        )
        return INTERRUPTED
    return USAGE


def act(args: argparse.Namespace) -> int:
    """Do what was asked for."""
    from benchmark import overview
    from benchmark.files import sole_writer
    from benchmark.protocol import PRESETS
    from benchmark.records import RunStore

    store = RunStore(args.out.resolve())
    if args.listing:
        show(overview.listing(args.listing))
    elif args.sys_info:
        show(overview.system_information())
    elif args.status:
        show(overview.status_lines(store))
    elif args.dry_run:
        preset = PRESETS[args.preset]
        models = [(backbone, method) for backbone in args.backbones for method in args.methods]
        num_seeds = args.seeds or preset.num_seeds
        show(overview.plan_lines(preset, args.data, models, num_seeds, args.jobs))
    elif args.report_only:
        show([f"report: {write_report(store)}"])
    else:
        with sole_writer(store.out):
            return run(args, store)
    return OK


def show(lines: Sequence[str]) -> None:
    """Print lines at once, also into a pipe."""
    print("\n".join(lines), flush=True)


def run(args: argparse.Namespace, store: RunStore) -> int:
    """Prepare, run what is not done, report."""
    from benchmark.executors import stop_workers
    from benchmark.grid import Grid, check_device, prepare_log
    from benchmark.protocol import PRESETS
    from benchmark.studies import Selection

    check_device(args.device)
    preset = PRESETS[args.preset]
    selection = Selection(
        preset=preset,
        backbones=args.backbones,
        methods=args.methods,
        num_seeds=args.seeds or preset.num_seeds,
        embedding_optimizer=args.embedding_optimizer,
    )
    logs = []
    for name in args.data:
        print(f"preparing {name}", flush=True)
        logs.append(
            prepare_log(name, args.data_dir, ROOT / "datasets" / "data" / "prepared", preset)
        )
        print(describe(logs[-1].card))
    grid = Grid.make(store, selection, logs, args.device)
    try:
        run_cells(args, grid)
    finally:
        stop_workers()
    failed = grid.failures()
    report = write_report(store)
    print(f"report: {report}")
    if failed:
        print(f"{len(failed)} cells failed; run again with --retry-failed. First: {failed[0]}")
    return FAILED if failed else OK


def describe(card: dict) -> str:
    """The line that says what was read."""
    rows = card["rows"]
    line = f"  {card['name']}: " + ", ".join(f"{split} {rows[split]:,}" for split in rows) + " rows"
    if card["train_rows_dropped_by_cap"]:
        line += f"; the {card['train_rows_dropped_by_cap']:,} earliest train rows are left out"
    how = "by time" if card["split_kind"] == "time" else "by a seeded shuffle (no timestamp)"
    return f"{line}; split {how}"


def run_cells(args: argparse.Namespace, grid: Grid) -> None:
    """Run the open cells with one line each, and a bar on a terminal."""
    from tqdm import tqdm

    cells = grid.todo(retry_failed=args.retry_failed)
    failed = 0 if args.retry_failed else len(grid.failures())
    done = len(grid.plan.slots) - len(cells) - failed
    if done or failed:
        print(f"{done} of {len(grid.plan.slots)} cells were done before, {failed} failed before")
    start = time.monotonic()
    with tqdm(total=len(cells), unit="cell", disable=not sys.stderr.isatty()) as bar:
        for count, outcome in enumerate(grid.run(cells, args.jobs), start=1):
            bar.update()
            left = (time.monotonic() - start) / count * (len(cells) - count)
            bar.write(
                f"[{count}/{len(cells)}] {cell_line(grid, outcome)}; about {left:.0f} s left",
                file=sys.stdout,
            )
            sys.stdout.flush()


def cell_line(grid: Grid, outcome: Outcome) -> str:
    """What a finished cell reached, or why it failed."""
    config = outcome.cell.config
    name = config.title
    if outcome.error:
        return f"{name}: FAILED: {outcome.error}"
    test = grid.store.read(grid.store.run_folder(config)).metrics["test"]
    return f"{name}: test AUC {test['auc']:.4f}, GAUC {test['gauc']:.4f} ({outcome.seconds:.0f} s)"


def write_report(store: RunStore) -> Path:
    """Build the report of all stored runs of the plan."""
    from reports.build import build

    return build(store.out)


if __name__ == "__main__":
    sys.exit(main())
