"""Front door: choose data, models and a budget; run what is not done yet; then write the report."""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import time
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmark.planning.selection import Selection
    from benchmark.running.grid import Execute, Grid
    from benchmark.store.records import RunStore, SlotState
    from benchmark.tasks import Compute
    from benchmark.tracking.tracker import Tracker
    from datasets.prepare import PreparedData
    from datasets.spec import SplitVariant

ROOT = Path(__file__).resolve().parent
OK, FAILED, USAGE = 0, 1, 2  # exit codes


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


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, act, and turn errors that the user can mend into one line; returns the exit code."""
    check_imports()
    from benchmark.command_line.arguments import parse

    args = parse(arguments)
    from benchmark.config import ConfigError
    from benchmark.store.files import RecordError
    from datasets.command_line import exit_code
    from datasets.spec import DataError

    hint = "finished cells are kept: run the same command again to go on, without --fresh"
    errors = (ConfigError, DataError, RecordError)
    return exit_code("run_all.py", partial(act, args), *errors, place=args.out, hint=hint)


def act(args: argparse.Namespace) -> int:
    """Do what was asked for."""
    from benchmark.command_line import listing
    from benchmark.command_line.new_method import write_method
    from benchmark.store.environment import machine, program_version
    from benchmark.store.records import RunStore

    store = RunStore(args.out.resolve())
    if args.listing is not None:
        show(listing.listing(args.listing or ""))
    elif args.new_method is not None:
        show(write_method(args.new_method, Path.cwd()))
    elif args.sys_info:
        show([json.dumps(machine(), indent=1)])
    elif args.version:
        show([program_version()])
    elif args.status:
        show(listing.status_lines(store))
    elif args.report_only:
        return report_only(args, store)
    else:
        return on_logs(args, store)
    return OK


def on_logs(args: argparse.Namespace, store: RunStore) -> int:
    """Describe a log that has no description, or plan a call, or run it."""
    from benchmark.command_line import own_log
    from benchmark.store.files import sole_writer

    if files := own_log.undescribed(args.data):
        print(f"describing {', '.join(files)}", flush=True)
        show(own_log.describe(files, args.given))
    elif args.dry_run:
        from benchmark.command_line.dry_run import plan_lines  # torch is slow to import

        compute, jobs = compute_of(args, store), workers_of(args) or 1
        show(plan_lines(selection_of(args), compute, jobs, args.data_dir, lists_cells=args.verbose))
    else:
        if args.download:
            from datasets.download import fetch_missing

            fetch_missing(args.data)
        with sole_writer(store.out):
            return run(args, store)
    return OK


def selection_of(args: argparse.Namespace) -> Selection:
    """The selection that the flags make; groups of methods are their members from here on."""
    from benchmark.command_line.arguments import call_of
    from benchmark.planning.selection import Selection
    from benchmark.planning.studies import studies_named
    from benchmark.protocol import PRESETS
    from benchmark.store.focus import check_focus
    from models.registry import methods_named

    args = argparse.Namespace(**{**vars(args), "methods": methods_named(args.methods)})
    if args.focus is not None:
        check_focus(args.focus, product(args.backbones, args.methods))
    preset = PRESETS[args.preset]
    num_trials = preset.num_trials if args.trials is None else args.trials
    return Selection(
        preset=preset,
        studies=studies_named(_named_studies(args.only), args.data),
        data=args.data,
        world_rows=args.world_rows or preset.world_rows,
        backbones=args.backbones,
        methods=args.methods,
        num_trials=0 if args.tuned else num_trials,
        num_seeds=args.seeds,
        embedding_optimizer=args.embedding_optimizer,
        call=call_of(args),
    )


def _named_studies(names: Sequence[str]) -> Sequence[str]:
    """The words of --only, those of tables and figures as the studies behind them."""
    from benchmark.planning.studies import STUDIES

    if set(names) <= set(STUDIES):
        return names
    from reports.build import with_studies  # imports every table and figure

    return with_studies(names)


def show(lines: Sequence[str]) -> None:
    """Print lines at once, also into a pipe."""
    print("\n".join(lines), flush=True)


def run(args: argparse.Namespace, store: RunStore) -> int:
    """Prepare, run what is not done, report."""
    from benchmark.cost.domain_growth import store_growth
    from benchmark.running.grid import Grid, check_compute
    from benchmark.running.latency import measure_latencies
    from benchmark.running.local import stop_workers
    from benchmark.running.memory import shortages
    from benchmark.running.plugin_checks import check_plugins
    from benchmark.store.plan import refuse_other_version
    from benchmark.store.trials import read_given
    from benchmark.tracking.tracker import Tracker
    from reports.analysis_plan import register
    from reports.build import build, failed_parts, load_parts

    num_workers, compute = workers_of(args), compute_of(args, store)
    check_compute(compute)
    load_parts()  # what is wrong with one of them is said before the first run
    refuse_other_version(store.out)
    register(store.out)
    execute = executor_of(args)
    tracker = None if args.no_mlflow else Tracker(store.out, args.tracking_uri)
    given = read_given(args.tuned) if args.tuned else None
    selection = selection_of(args)
    logs = prepare_logs(selection, args.data_dir)
    wanted: list[SlotState] = ["missing"]
    wanted += ["failed"] if args.retry_failed or args.fresh else []
    wanted += ["done"] if args.fresh else []
    grid = Grid.make(store, selection, logs, compute=compute, wanted=wanted, given=given)
    for line in check_plugins(grid.agenda, selection):
        show([line])
    for line in shortages(grid.agenda) if args.executor == "local" else ():
        show([f"WARNING: {line}"])
    try:
        run_grid(grid, execute, tracker, num_workers=num_workers)
        for line in measure_latencies(grid.agenda, store):
            show([line])
    finally:
        stop_workers()
    uncounted = store_growth(store.out, selection.methods) if "cost" in selection.studies else []
    print("writing the report ...", flush=True)
    show(["", *result_lines(build(store.out))])
    plan = grid.agenda.plan
    if plan.searches:
        from benchmark.tuning.sampler import write_journals  # optuna is slow to import

        write_journals(store.out, plan)
    if tracker and (hint := tracker.finish(plan)):
        print(hint)
    problems, lost = grid.problems() + uncounted, failed_parts(store.out)
    if problems:
        print(f"{len(problems)} failed; run again with --retry-failed. First: {problems[0]}")
    if lost:
        print(f"{len(lost)} parts of the report failed. First: {lost[0]}")
    return FAILED if problems or lost else OK


def prepare_logs(selection: Selection, data_dir: Path | None) -> dict[str, PreparedData]:
    """All logs of a call by their words, then those that a study splits another way.

    A split that a log does not allow, such as one whose train rows are of one domain, is left out.
    """
    from benchmark.command_line.listing import card_lines
    from benchmark.planning.cells import variants_to_prepare
    from benchmark.planning.selection import logs_to_prepare
    from benchmark.running.grid import prepare_log
    from datasets.catalog import PREPARED_DIR
    from datasets.spec import DataError

    logs: dict[str, PreparedData] = {}

    def prepare(word: str, log: str, variant: SplitVariant | None = None) -> None:
        print(f"preparing {word}", flush=True)
        try:
            logs[word] = prepare_log(log, folders[log], PREPARED_DIR, selection, variant)
        except DataError as error:
            if variant is None:
                raise
            print(f"  left out, cells on this split are not run: {error}")
            return
        show(card_lines(logs[word].card))

    named = logs_to_prepare(selection)
    folders = {log: data_dir if is_named else None for log, is_named in named.items()}
    for log in named:
        prepare(log, log)
    for word, (log, variant) in variants_to_prepare(selection, logs).items():
        prepare(word, log, variant)
    return logs


def result_lines(page: Path) -> list[str]:
    """The answer and the leaderboard beside a page, and where the page is."""
    from reports.build import SUMMARY

    text = page.with_name(SUMMARY).read_text(encoding="utf-8")
    return [*text.splitlines(), "", f"report: {page.as_uri()}"]


def report_only(args: argparse.Namespace, store: RunStore) -> int:
    """Write the report of what is there; failures and unequal budgets show in the exit code."""
    from benchmark.store.files import sole_writer
    from benchmark.store.focus import keep_focus
    from benchmark.store.plan import read_plan
    from benchmark.tracking.tracker import stored_hint
    from reports.build import build, problems_of

    if args.focus is not None:
        read_plan(store.out)  # a folder without one stays as it is
        with sole_writer(store.out):
            keep_focus(store, args.focus)
    show(result_lines(build(store.out)))
    if hint := stored_hint(store.out, read_plan(store.out)):
        print(hint)
    problems = problems_of(store.out)
    if problems:
        show([f"{len(problems)} problems. First: {problems[0]}"])
    return FAILED if problems else OK


def executor_of(args: argparse.Namespace) -> Execute:
    """The executor; a cluster that does not answer is found out before anything else."""
    if args.executor == "local":
        from benchmark.running.local import run_tasks

        return partial(run_tasks, num_workers=args.jobs or args.default_jobs)
    from benchmark.running.ray_connection import check_cluster
    from benchmark.running.ray_executor import run_tasks_on_ray

    check_cluster(args.ray_address)
    return partial(run_tasks_on_ray, address=args.ray_address, num_workers=args.jobs)


def compute_of(args: argparse.Namespace, store: RunStore) -> Compute:
    """The device and the ways that the flags choose."""
    from benchmark.tasks import Compute

    return Compute(
        args.device,
        args.kernels,
        workers=workers_of(args) or 1 if args.executor == "local" else 1,
        row_order=args.row_order,
        compiles=args.compile,
        graphs=store.out / "graphs",
    )


def workers_of(args: argparse.Namespace) -> int | None:
    """The number of processes; None on a cluster, which may have any, unless --jobs says it."""
    default: int | None = None if args.executor == "ray" else args.default_jobs
    return args.jobs or default


def run_grid(
    grid: Grid, execute: Execute, tracker: Tracker | None, *, num_workers: int | None
) -> None:
    """Run what is open with one line for each, and a bar on a terminal."""
    from tqdm import tqdm

    from benchmark.command_line.progress import duration, start_line

    total, planned = grid.agenda.num_open, grid.agenda.num_planned
    if total < planned:
        failed = grid.agenda.num_given_up
        done = planned - total - failed
        end = f", {failed} had failed (--retry-failed runs them again)" if failed else ""
        print(f"{done} of {planned} trainings were done before{end}")
    if total:
        trials, runs = len(grid.agenda.open_trials), len(grid.agenda.open_runs)
        line = start_line(trials, runs, grid.seconds_left(num_workers), num_workers)
        print(f"{line} -> {grid.store.out}", flush=True)
    start = time.monotonic()
    with tqdm(total=total, unit="training", disable=not sys.stderr.isatty()) as bar:
        for count, outcome in enumerate(grid.run(execute), 1):
            bar.update()
            left = grid.agenda.num_open
            seconds = (time.monotonic() - start) / count * left
            bar.write(
                f"[{total - left}/{total}] {grid.line(outcome)}; about {duration(seconds)} left",
                file=sys.stdout,
            )
            sys.stdout.flush()
            if tracker:
                tracker.update(grid.agenda.plan)


if __name__ == "__main__":
    sys.exit(main())
