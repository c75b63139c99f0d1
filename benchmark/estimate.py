"""How long a cell would take here: a few real steps on random rows, scaled up."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import torch

from benchmark.evaluator import predict
from benchmark.random_log import model_on, random_rows, random_schema
from benchmark.runner import set_up_torch
from benchmark.trainer import TrainSplit

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmark.protocol import Protocol

NUM_FIELDS = 12
FIELD_SIZE = 1_000
NUM_ROWS = 8_192
NUM_STEPS = 20


def estimate_cell_seconds(protocol: Protocol, train_rows: int, backbone: str, method: str) -> float:
    """Seconds of one cell with so many train rows, if it never stops early."""
    set_up_torch("cpu")
    schema = random_schema((FIELD_SIZE,) * (protocol.max_fields or NUM_FIELDS))
    rows = random_rows(schema, NUM_ROWS)
    split = TrainSplit(rows, range(NUM_ROWS), protocol.batch_size)
    model, optimizer = model_on(schema, protocol, backbone, method)
    batch = split.batch(torch.arange(min(protocol.batch_size, NUM_ROWS)))
    step_seconds = _seconds(lambda: model.method.update(model, batch, optimizer), NUM_STEPS)
    model.eval()
    row_seconds = _seconds(lambda: predict(model, rows, range(NUM_ROWS)), 2) / NUM_ROWS
    steps = protocol.evaluation_steps(math.ceil(train_rows / protocol.batch_size))
    dev_rows = train_rows / 4  # of a 4:1:1 split
    return steps[-1] * step_seconds + (len(steps) + 2) * dev_rows * row_seconds


def _seconds(act: Callable[[], object], times: int) -> float:
    act()
    start = time.perf_counter()
    for _ in range(times):
        act()
    return (time.perf_counter() - start) / times
