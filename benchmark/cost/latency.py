"""Seconds of a call, and milliseconds of a request to a model by the number of its rows."""

from __future__ import annotations

import time
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from datasets.loader import EncodedRows
    from models.interfaces import Predictor

WARM_UP_CALLS = 10
# A glance, short enough for every run: the 99th percentile of so few calls is nearly their slowest.
GLANCE = MappingProxyType({1: 200, 256: 20})


def latency(
    predictor: Predictor, rows: EncodedRows, calls: Mapping[int, int] = GLANCE
) -> dict[str, float]:
    """Median and 99th percentile of a call, by batch size; `calls` says how many of each.

    A call is timed from encoded rows until the logits are in CPU memory, with warm caches and in
    this process's number of threads. Every call scores other rows, in the order of the log.
    """
    found: dict[str, float] = {}
    for batch_size, count in calls.items():
        milliseconds = _milliseconds(predictor, rows, batch_size, count)
        for percent in (50, 99):
            name = f"latency_batch{batch_size}_p{percent}_milliseconds"
            found[name] = float(np.percentile(milliseconds, percent))
    return found


@torch.inference_mode()
def _milliseconds(
    predictor: Predictor, rows: EncodedRows, batch_size: int, count: int
) -> list[float]:
    seconds = []
    num_starts = max(1, len(rows) - batch_size + 1)
    for call in range(WARM_UP_CALLS + count):
        first = call * batch_size % num_starts
        batch = rows.range(first, min(first + batch_size, len(rows)))
        start = time.perf_counter()
        predictor(batch).cpu()
        seconds.append(time.perf_counter() - start)
    return [1e3 * value for value in seconds[WARM_UP_CALLS:]]


def seconds_of(act: Callable[[], object], repeats: int) -> float:
    """Mean seconds of a call; the first, which may be slower, is not counted."""
    act()
    start = time.perf_counter()
    for _ in range(repeats):
        act()
    return (time.perf_counter() - start) / repeats
