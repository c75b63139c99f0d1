"""Cells over processes: a pool that survives a dying worker and never outlives its parent."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
import time
import traceback
from collections import deque
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from benchmark.runner import Cell

DEATH = "the worker process died without an error: killed, or out of memory; try fewer --jobs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a cell ended: `error` is one line, `detail` its traceback; both empty when done."""

    cell: Cell
    seconds: float
    error: str = ""
    detail: str = ""


def run_cells(cells: Sequence[Cell], num_workers: int) -> Generator[Outcome]:
    """Run cells in `num_workers` processes of one thread each and yield them as they end.

    A worker that dies (killed, out of memory) takes its pool with it. The cells that were running
    are then run in a pool of their own each, so that only the deadly one fails, and the others go
    on in a fresh pool.
    """
    waiting = deque(cells)
    while waiting:
        for cell in (yield from _run_in_pool(waiting, num_workers)):
            start = time.perf_counter()
            if (yield from _run_in_pool(deque([cell]), 1)):
                yield Outcome(cell=cell, seconds=time.perf_counter() - start, error=DEATH)


def stop_workers() -> None:
    """End every worker now; what they had not finished is done again by the next call."""
    for process in multiprocessing.active_children():
        process.terminate()


def _pool(num_workers: int) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(num_workers, mp_context=context, initializer=_start_worker)


def _run_in_pool(waiting: deque[Cell], num_workers: int) -> Generator[Outcome, None, list[Cell]]:
    """Run cells from the left of `waiting`; returns those that ran when a worker died."""
    running: dict[Future[Outcome], Cell] = {}
    with _pool(min(num_workers, len(waiting))) as pool:
        try:
            while waiting or running:
                while waiting and len(running) < num_workers:
                    future = pool.submit(_attempt, waiting[0])  # may find the pool broken
                    running[future] = waiting.popleft()
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    outcome = future.result()
                    del running[future]
                    yield outcome
        except BrokenProcessPool:
            return list(running.values())
        except BaseException:
            stop_workers()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return []


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
