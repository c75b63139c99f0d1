"""The seconds that a training would take here: a few real steps on random rows, scaled up."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from benchmark.cost.random_log import (
    NUM_DOMAIN_FIELDS,
    model_on,
    random_rows,
    random_schema,
    training_step,
)
from benchmark.references.registry import REFERENCES
from benchmark.references.rows import FitRows
from benchmark.training.process import set_up_torch
from benchmark.training.trainer import TrainSplit
from datasets.spec import SPLITS
from models.predictors import predict
from models.registry import load_method

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from benchmark.config import RunConfig
    from benchmark.protocol import Protocol
    from datasets.prepare import PreparedData
    from models.interfaces import MethodEntry

FIELD_SIZE = 1_000
NUM_ROWS, NUM_SCORED = 8_192, 2_048
MOST_STEPS, MOST_SECONDS = 5, 0.1  # of one measurement, whichever comes first
START_SECONDS = 5.0  # of a worker, which imports torch
RUN_SECONDS = 0.3  # of a final run, for its latencies, counts and files
FEW_TASKS, MANY_TASKS = 20, 500  # values of a representative column, and of a partition


class SplitRows(NamedTuple):
    """The numbers of rows of a log by split."""

    train: int
    dev: int
    test: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A training: its model, and the size of its log; a trial scores dev alone."""

    protocol: Protocol
    backbone: str
    method: str
    has_many_tasks: bool
    num_fields: int
    rows: SplitRows
    is_trial: bool


def work_of(config: RunConfig, data: PreparedData, *, is_trial: bool) -> Work:
    """The training of a cell on its prepared log; scaled layers cost what they match."""
    return Work(
        protocol=config.protocol,
        backbone=config.backbone,
        method=config.matched_to or config.method,
        has_many_tasks="+" in config.task,
        num_fields=len(config.features),
        rows=SplitRows(*(len(data.split[name]) for name in SPLITS)),
        is_trial=is_trial,
    )


class Pace(NamedTuple):
    """Seconds per row of an epoch of training, or of a whole fit, and of scoring."""

    train: float
    score: float


class Estimates:
    """Seconds of trainings; each model and size is measured once."""

    def __init__(self) -> None:
        self._paces: dict[tuple[object, ...], Pace] = {}

    def seconds(self, work: Work) -> float:
        """Seconds of a training of `Protocol.least_epochs`; nan for a model that cannot do it."""
        pace, protocol, rows = self._pace(work), work.protocol, work.rows
        epochs = 1 if work.backbone in REFERENCES else protocol.least_epochs
        evaluations = 0 if work.backbone in REFERENCES else epochs * protocol.evaluations_per_epoch
        scored = evaluations * rows.dev + (0 if work.is_trial else rows.dev + rows.test)
        rest = 0.0 if work.is_trial else RUN_SECONDS
        return epochs * rows.train * pace.train + scored * pace.score + rest

    def _pace(self, work: Work) -> Pace:
        sizes = work.protocol
        key = (
            *(work.backbone, work.method, work.has_many_tasks, work.num_fields),
            *(sizes.embedding_dim, sizes.hidden_dims, sizes.batch_size, sizes.activation),
        )
        if key not in self._paces:
            try:
                self._paces[key] = _measured(work)
            except Exception:  # whatever a model of one's own raises: its run says it
                self._paces[key] = Pace(math.nan, math.nan)
        return self._paces[key]


def wall_seconds(seconds: Collection[float], num_workers: int) -> float:
    """Seconds of trainings in several processes, their start included; nan if one is."""
    return START_SECONDS + sum(seconds) / min(num_workers, max(len(seconds), 1))


def _measured(work: Work) -> Pace:
    if work.backbone in REFERENCES:
        return _pace_of_reference(work)
    entry: MethodEntry = load_method(work.method)
    num_tasks = MANY_TASKS if work.has_many_tasks and entry.reads_tasks else FEW_TASKS
    set_up_torch()
    schema = random_schema(_field_sizes(work), num_tasks)
    rows = random_rows(schema, NUM_ROWS)
    split = TrainSplit(rows, range(NUM_ROWS), work.protocol.batch_size)
    model, optimizer = model_on(schema, work.protocol, work.backbone, work.method)
    step_seconds = _seconds_of(training_step(model, optimizer, split))
    model.eval()
    score_seconds = _seconds_of(lambda: predict(model, rows, range(NUM_SCORED)))
    return Pace(step_seconds / work.protocol.batch_size, score_seconds / NUM_SCORED)


def _pace_of_reference(work: Work) -> Pace:
    schema = random_schema(_field_sizes(work))
    train = random_rows(schema, NUM_ROWS).matrix.numpy()
    rows = FitRows(schema=schema, train=train, dev=train[: NUM_ROWS // 4], protocol=work.protocol)
    entry = REFERENCES[work.backbone]
    start = time.perf_counter()
    scorer = entry.fit(entry.config(), rows, 1)
    fitted = time.perf_counter()
    scorer(rows.dev)
    scored = time.perf_counter()
    return Pace((fitted - start) / NUM_ROWS, (scored - fitted) / len(rows.dev))


def _field_sizes(work: Work) -> tuple[int, ...]:
    return (FIELD_SIZE,) * max(work.num_fields, NUM_DOMAIN_FIELDS)


def _seconds_of(act: Callable[[], object]) -> float:
    """Mean seconds of a call; the first, which may be slower, is not counted."""
    act()
    start, count = time.perf_counter(), 0
    while count < MOST_STEPS and time.perf_counter() - start < MOST_SECONDS:
        act()
        count += 1
    return (time.perf_counter() - start) / count
