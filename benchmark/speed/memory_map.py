"""Training from rows on disk against the same rows in memory: speed by order, private memory."""

from __future__ import annotations

import mmap
import os
import statistics
import tempfile
from pathlib import Path
from timeit import timeit
from typing import TYPE_CHECKING

import numpy as np

from benchmark.cost.random_log import (
    ad_log_schema,
    model_on,
    protocol_of,
    random_rows,
    training_step,
)
from benchmark.speed.figures import Measurement, in_child, interleaved, memory_mib, ratio
from benchmark.training.epoch_order import BLOCK_ROWS, BUFFER_BLOCKS
from benchmark.training.process import set_up_torch
from benchmark.training.trainer import TrainSplit
from datasets.loader import EncodedRows

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmark.tasks import EpochOrder

NUM_ROWS = 10_000_000
MADE_ROWS = 1 << 20  # written over and over, which changes no cost
ROUNDS, STEPS = 9, 200
GOAL_SPEED, GOAL_MEMORY_GIB = 0.8, 2
NUM_DOMAINS = 12


def measure(num_rows: int = NUM_ROWS) -> list[Measurement]:
    """Steps of plain DNN at both batch sizes, in child processes; the file is temporary."""
    with tempfile.TemporaryDirectory(prefix="memory_map_") as name:
        path = Path(name) / "rows.npy"
        _write(path, num_rows)
        return [figure for size in (256, 1024) for figure in _figures(path, num_rows, size)]


def _figures(path: Path, num_rows: int, batch_size: int) -> list[Measurement]:
    label = f"{num_rows:,} rows on disk, batch {batch_size}"
    cold, private = in_child(_train_from_disk, path, batch_size, "keyed", STEPS)
    of_buffer = min(num_rows, BLOCK_ROWS * BUFFER_BLOCKS) // batch_size // 2  # on half of it
    by_blocks, _ = in_child(_train_from_disk, path, batch_size, "blocks", of_buffer)
    warm, kept = in_child(_compare, path, batch_size)
    memory = statistics.median(kept)
    return [
        Measurement(
            f"{label}: speed, warm",
            f"{ratio(kept, warm):.2f} x in memory",
            f">= {GOAL_SPEED}",
        ),
        Measurement(
            f"{label}: speed, first {STEPS} steps, cold",
            f"{memory / cold:.2f} x in memory",
            "stated",
        ),
        Measurement(
            f"{label}: speed, first {of_buffer} steps by blocks, cold",
            f"{memory / by_blocks:.2f} x in memory",
            f">= {GOAL_SPEED}",
        ),
        Measurement(f"{label}: private memory", f"{private:.2f} GiB", f"<= {GOAL_MEMORY_GIB}"),
    ]


def _write(path: Path, num_rows: int) -> None:
    schema = ad_log_schema(NUM_DOMAINS)
    block = random_rows(schema, min(MADE_ROWS, num_rows)).matrix.numpy()
    header = {"descr": "<i4", "fortran_order": False, "shape": (num_rows, block.shape[1])}
    with path.open("wb") as out:
        np.lib.format.write_array_header_1_0(out, header)
        for start in range(0, num_rows, len(block)):
            out.write(block[: num_rows - start].data)
        os.fsync(out.fileno())  # pages that are not on disk yet could not be dropped


def _train_from_disk(
    path: Path, batch_size: int, order: EpochOrder, steps: int
) -> tuple[float, float]:
    """Seconds of a step when no page of the file is in memory, and the process's private GiB.

    By blocks the first step reads a buffer, which the others then train on.
    """
    form = np.load(path, mmap_mode="r")
    with path.open("rb") as file:
        pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        rows = np.ndarray(form.shape, form.dtype, pages, form.offset)
        step = _step(rows, batch_size, order)
        del form
        pages.madvise(mmap.MADV_DONTNEED)
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return timeit(step, number=steps) / steps, memory_mib("RssAnon") / 1024


def _compare(path: Path, batch_size: int) -> tuple[list[float], list[float]]:
    """Rounds of steps from the file, whose pages are in memory, and from a copy in memory.

    The copy holds half the file, or as many rows as half of the free memory does.
    """
    rows = np.load(path, mmap_mode="c")
    room = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    in_memory = np.array(rows[: min(len(rows) // 2, room // rows[0].nbytes)])
    on_disk = rows[-len(in_memory) :]
    for start in range(0, len(on_disk), MADE_ROWS):
        on_disk[start : start + MADE_ROWS].max()  # reads them
    acts = {"disk": _step(on_disk, batch_size), "memory": _step(in_memory, batch_size)}
    interleaved(acts, 1, STEPS)  # first steps may be slower
    seconds = interleaved(acts, ROUNDS, STEPS)
    return seconds["disk"], seconds["memory"]


def _step(rows: np.ndarray, batch_size: int, order: EpochOrder = "exact") -> Callable[[], None]:
    set_up_torch()
    schema = ad_log_schema(NUM_DOMAINS)
    model, optimizer = model_on(schema, protocol_of(batch_size), "dnn", "plain")
    split = TrainSplit(EncodedRows(rows, schema), range(len(rows)), batch_size, order)
    return training_step(model, optimizer, split)
