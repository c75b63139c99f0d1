"""The seconds that a cell would take here: a few real steps on random rows, scaled up."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from benchmark.cost.counts import seconds_of
from benchmark.cost.random_log import model_on, random_rows, random_schema, training_step
from benchmark.protocol import with_setting
from benchmark.references.registry import REFERENCES
from benchmark.references.rows import FitRows
from benchmark.training.process import set_up_torch
from benchmark.training.scoring import predict
from benchmark.training.trainer import TrainSplit
from datasets import catalog

if TYPE_CHECKING:
    from benchmark.planning.cells import SearchKey
    from benchmark.planning.selection import Selection
    from benchmark.planning.studies import Change
    from benchmark.protocol import Protocol

NUM_FIELDS = 12
FIELD_SIZE = 1_000
NUM_ROWS = 8_192
NUM_STEPS = 20
FEW_TASKS, MANY_TASKS = 20, 500  # values of a representative column, and of a partition


class Estimates:
    """Measured once for each model and size."""

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self._seconds: dict[tuple[str, str, str, int, int], tuple[float, float]] = {}

    def of_cell(self, log: str, backbone: str, change: Change) -> float:
        """Seconds of a final run, nan if nobody knows; scaled layers cost what they match."""
        protocol = with_setting(self._selection.protocol_of(log), change.setting)
        method = change.match or change.method
        return sum(self._measured(log, protocol, backbone, method, tasks_of(change)))

    def of_search(self, key: SearchKey) -> float:
        """Seconds of a trial, which scores dev alone."""
        protocol = self._selection.protocol_of(key.log)
        return self._measured(key.log, protocol, key.backbone, key.method, FEW_TASKS)[0]

    def _measured(
        self, log: str, protocol: Protocol, backbone: str, method: str, num_tasks: int
    ) -> tuple[float, float]:
        """Training with its evaluations on dev, and the final evaluation."""
        rows = most_train_rows(self._selection, log)
        if rows is None:
            return math.nan, math.nan
        key = (protocol.name, backbone, method, rows, num_tasks)
        if key not in self._seconds:
            self._seconds[key] = (
                estimate_reference_seconds(protocol, rows, backbone)
                if backbone in REFERENCES
                else estimate_seconds(protocol, rows, backbone, method, num_tasks)
            )
        return self._seconds[key]


def tasks_of(change: Change) -> int:
    """About how many tasks the method has: MAML and STAR cost more with more of them."""
    has_joint_values = change.ids == "partition_as_task" or (change.num_columns or 1) > 1
    return MANY_TASKS if has_joint_values else FEW_TASKS


def estimate_seconds(
    protocol: Protocol, train_rows: int, backbone: str, method: str, num_tasks: int
) -> tuple[float, float]:
    """Seconds of a training of `Protocol.least_epochs`, and of the final evaluation."""
    set_up_torch("cpu")
    schema = random_schema((FIELD_SIZE,) * (protocol.max_fields or NUM_FIELDS), num_tasks)
    rows = random_rows(schema, NUM_ROWS)
    split = TrainSplit(rows, range(NUM_ROWS), protocol.batch_size)
    model, optimizer = model_on(schema, protocol, backbone, method)
    step = training_step(model, optimizer, split)
    step_seconds = seconds_of(step, NUM_STEPS)
    model.eval()
    row_seconds = seconds_of(lambda: predict(model, rows, range(NUM_ROWS)), 2) / NUM_ROWS
    steps = protocol.least_epochs * math.ceil(train_rows / protocol.batch_size)
    evaluations = protocol.least_epochs * protocol.evaluations_per_epoch
    dev_seconds = train_rows / 4 * row_seconds  # of a 4:1:1 split
    return steps * step_seconds + evaluations * dev_seconds, 2 * dev_seconds


def estimate_reference_seconds(
    protocol: Protocol, train_rows: int, name: str
) -> tuple[float, float]:
    """Seconds of a reference's training and final evaluation: a fit on random rows, scaled up."""
    schema = random_schema((FIELD_SIZE,) * (protocol.max_fields or NUM_FIELDS))
    train = random_rows(schema, NUM_ROWS).matrix.numpy()
    rows = FitRows(schema=schema, train=train, dev=train[: NUM_ROWS // 4], protocol=protocol)
    entry = REFERENCES[name]
    start = time.perf_counter()
    scorer = entry.fit(entry.config(), rows, 1)
    fitted = time.perf_counter()
    scorer(rows.dev)
    scale = train_rows / NUM_ROWS
    return scale * (fitted - start), 2 * scale * (time.perf_counter() - fitted)


def most_train_rows(selection: Selection, log: str) -> int | None:
    """Two thirds of a generated log, and the preset's cap of any other; None without a cap.

    The rows of a real log are not counted before a run.
    """
    if catalog.is_generated(log):
        return selection.world_rows * 2 // 3
    return selection.preset.max_train_rows
