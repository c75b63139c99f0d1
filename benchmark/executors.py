"""Cells over processes: a pool that survives a dying worker and never outlives its parent."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
import time
import traceback
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from benchmark.runner import Cell


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a cell ended: `error` is one line, `detail` its traceback; both empty when done."""

    cell: Cell
    seconds: float
    error: str = ""
    detail: str = ""


def run_cells(cells: Sequence[Cell], num_workers: int) -> Generator[Outcome]:
    """Run cells in `num_workers` processes of one thread each and yield them as they end.

    A worker that dies (killed, out of memory) takes its pool with it: every cell that had not ended
    is then run in a pool of its own, so that only the deadly one fails.
    """
    left = {cell.config.run_id: cell for cell in cells}
    try:
        for outcome in _run_in_pool(cells, num_workers):
            del left[outcome.cell.config.run_id]
            yield outcome
    except BrokenProcessPool:
        for cell in left.values():
            yield _run_alone(cell)


def stop_workers() -> None:
    """End every worker now; what they had not finished is done again by the next call."""
    for process in multiprocessing.active_children():
        process.terminate()


def _pool(num_workers: int) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(num_workers, mp_context=context, initializer=_start_worker)


def _run_in_pool(cells: Sequence[Cell], num_workers: int) -> Generator[Outcome]:
    with _pool(min(num_workers, len(cells)) or 1) as pool:
        pending: set[Future[Outcome]] = {pool.submit(_attempt, cell) for cell in cells}
        try:
            while pending:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        except BaseException:
            stop_workers()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _run_alone(cell: Cell) -> Outcome:
    start = time.perf_counter()
    try:
        return next(_run_in_pool([cell], 1))
    except BrokenProcessPool:
        error = (
            "the worker process died without an error: killed, or out of memory; try fewer --jobs"
        )
        return Outcome(cell=cell, seconds=time.perf_counter() - start, error=error)


def _start_worker() -> None:
    """The parent handles Ctrl-C; a worker whose parent has died ends at once."""
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # large pages for large tables, if offered
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(1)


def _attempt(cell: Cell) -> Outcome:
    """Run a cell; what it raises is its failure, and only a failing disk stops the grid."""
    start = time.perf_counter()
    try:
        from benchmark.runner import run_cell

        run_cell(cell)
    except OSError:
        raise
    except Exception as error:
        line = f"{type(error).__name__}: {error}".splitlines()[0]
        return Outcome(
            cell=cell,
            seconds=time.perf_counter() - start,
            error=line,
            detail=traceback.format_exc(),
        )
    return Outcome(cell=cell, seconds=time.perf_counter() - start)
