"""Tasks over processes: a pool that survives a dying worker and never outlives its parent."""

from __future__ import annotations

import errno
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
import traceback
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.running.memory import out_of_memory
from benchmark.tasks import Outcome, RunTask
from benchmark.training.clock import Seconds
from models.own_code import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from benchmark.tasks import Task, TaskSource, TrialTask

DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
DEATH = "the worker process died without an error: killed, or out of memory; try fewer --jobs"


def work(task: RunTask | TrialTask) -> None:
    """Leave the run folder of a run, or the file of a trial.

    The function that does it is imported here: torch is slow to import, and the parent needs none.

    Raises:
        NonFiniteLossError: training left the numbers.
        OSError: the output folder cannot be written.
    """
    kind = "reference" if task.config.is_reference else "network"
    module = import_module(f"benchmark.running.{kind}_run")
    do = module.run_cell if isinstance(task, RunTask) else module.run_trial
    do(task)


def run_tasks(
    source: TaskSource, num_workers: int, do: Callable[[Any], None] = work
) -> Generator[Outcome]:
    """Run tasks in `num_workers` processes of one thread each and yield how they ended.

    A worker that dies (killed, out of memory) takes its pool with it. The tasks that were running
    are then run in a pool of their own each, so that only the deadly one fails, and the others go
    on in a fresh pool.
    """
    while interrupted := (yield from _run_in_pool(source, num_workers, do)):
        for task in interrupted:
            start = Seconds.now()
            if (yield from _run_in_pool(_Single(task, source), 1, do)):
                wall = start.passed().wall  # at most this was CPU time, in one thread
                death = Outcome(task=task, seconds=wall, cpu_seconds=wall, error=DEATH)
                source.settle(death)
                yield death


class _Single:
    """One task of a source."""

    def __init__(self, task: Task, source: TaskSource) -> None:
        self.tasks = [task]
        self.settle = source.settle

    def take(self) -> Task | None:
        return self.tasks.pop() if self.tasks else None


def stop_workers() -> None:
    """End every worker now; what they had not finished is done again by the next call."""
    for process in multiprocessing.active_children():
        process.terminate()


def make_pool(num_workers: int) -> ProcessPoolExecutor:
    """Fresh processes that end with this one."""
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(num_workers, mp_context=context, initializer=_start_worker)


def _run_in_pool(
    source: TaskSource, num_workers: int, do: Callable[[Any], None]
) -> Generator[Outcome, None, list[Task]]:
    """Run tasks until none is ready; returns those that were taken when a worker died."""
    taken: list[Task] = []  # while the pool has not accepted it
    running: dict[Future[Outcome], Task] = {}
    with make_pool(num_workers) as pool:
        try:
            while True:
                while len(running) < num_workers and (task := source.take()):
                    taken.append(task)
                    future = pool.submit(attempt, task, do)  # may find the pool broken
                    running[future] = taken.pop()
                if not running:
                    return []
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    outcome = future.result()
                    del running[future]
                    source.settle(outcome)
                    yield outcome
        except BrokenProcessPool:
            return [*running.values(), *taken]
        except BaseException:
            stop_workers()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


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


def attempt(task: Task, do: Callable[[Any], None]) -> Outcome:
    """Do a task; what that raises is its failure, and only a failing disk stops the grid.

    A plug-in that leaves by `sys.exit` is one too.
    """
    start = Seconds.now()
    error = detail = ""
    try:
        do(task)
    except (Exception, SystemExit) as failure:
        if _is_of_the_disk(failure, task.out):
            raise
        error = out_of_memory(failure) or one_line(failure)
        detail = traceback.format_exc()
    spent = start.passed()
    return Outcome(task=task, seconds=spent.wall, cpu_seconds=spent.cpu, error=error, detail=detail)


def _is_of_the_disk(failure: BaseException, out: Path) -> bool:
    """True if no other task can do better: the disk is full or broken, or `out` not writable.

    Other files that cannot be read or written are the business of the task, such as a plug-in's.
    """
    if not isinstance(failure, OSError):
        return False
    is_below = failure.filename is not None and out in Path(str(failure.filename)).parents
    return failure.errno in DISK_ERRORS or (isinstance(failure, PermissionError) and is_below)
