"""The seconds that a training would take here: a few real steps on a sample of rows, scaled up.

They are CPU seconds, which other work on the machine hardly moves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from benchmark.cost.log_sample import sample_of
from benchmark.cost.random_log import (
    NUM_DOMAIN_FIELDS,
    model_on,
    random_rows,
    random_schema,
    training_step,
)
from benchmark.references.registry import REFERENCES
from benchmark.references.rows import FitRows
from benchmark.tasks import Compute
from benchmark.training.build import seen_schema
from benchmark.training.clock import Seconds
from benchmark.training.compiled.step import LEAST_STEPS, is_compiled
from benchmark.training.process import set_up_torch
from benchmark.training.trainer import TrainSplit
from datasets.loader import EncodedRows
from datasets.spec import SPLITS
from models.predictors import predict
from models.registry import load_method

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from benchmark.config import RunConfig
    from benchmark.protocol import Protocol
    from datasets.prepare import PreparedData
    from datasets.spec import EncodedSchema

FIELD_SIZE = 1_000  # of a log that is not prepared yet
NUM_ROWS, NUM_SCORED = 8_192, 2_048
MOST_STEPS, MOST_SECONDS = 5, 0.05  # of one measurement, whichever comes first
START_SECONDS = 2.5  # of a worker, which imports torch
RUN_SECONDS = 0.1  # of a final run, for its counts and files
COMPILED_SHARE = (
    0.7  # of its own time, a compiled step takes 0.3 (MAML) to 0.9 (APG): docs/speed.md
)
FEW_TASKS, MANY_TASKS = 20, 500  # values of a representative column, and of a partition at most


class SplitRows(NamedTuple):
    """The numbers of rows of a log by split."""

    train: int
    dev: int
    test: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A training: its model, and its log as the model sees it; a trial scores dev alone.

    Without `data`, a log that is prepared, rows are random ones of the schema.
    """

    protocol: Protocol
    backbone: str
    method: str
    schema: EncodedSchema
    rows: SplitRows
    is_trial: bool
    data: PreparedData | None = field(default=None, compare=False, repr=False)

    @property
    def most_steps(self) -> int:
        """The steps of a training that ends by no patience."""
        protocol = self.protocol
        return protocol.max_epochs * math.ceil(self.rows.train / protocol.batch_size)

    @property
    def num_tasks(self) -> int:
        """The number of tasks that train has seen."""
        return self.schema.num_tasks - 1

    @property
    def sizes(self) -> tuple[object, ...]:
        """The sizes that its pace depends on; ids and tasks are told apart by powers of two."""
        schema, protocol = self.schema, self.protocol
        is_network = self.backbone not in REFERENCES
        reads_tasks = is_network and load_method(self.method).reads_tasks
        num_ids = sum(schema.field_sizes) + sum(schema.bag_sizes)
        return (
            *(len(schema.fields), schema.bag_lengths, schema.num_domain_fields),
            *(num_ids.bit_length(), schema.num_tasks.bit_length() if reads_tasks else 0),
            *(protocol.embedding_dim, protocol.hidden_dims, protocol.batch_size),
            protocol.activation,
        )


def work_of(config: RunConfig, data: PreparedData, *, is_trial: bool) -> Work:
    """The training of a cell on its prepared log; scaled layers cost what they match.

    A placebo costs what true domains cost, and coarser domains at most what the log's own do.
    """
    columns = config.partition if config.has_coarser_domains else config.domain_columns
    as_measured = replace(config, domains="given", domain_columns=columns)
    return Work(
        protocol=config.protocol,
        backbone=config.backbone,
        method=config.matched_to or config.method,
        schema=seen_schema(as_measured, data.schema),
        rows=SplitRows(*(len(data.split[name]) for name in SPLITS)),
        is_trial=is_trial,
        data=data,
    )


def usual_schema(num_fields: int, *, has_many_tasks: bool) -> EncodedSchema:
    """The schema that stands for that of a log which is not prepared yet."""
    sizes = (FIELD_SIZE,) * max(num_fields, NUM_DOMAIN_FIELDS)
    return random_schema(sizes, MANY_TASKS if has_many_tasks else FEW_TASKS)


class Pace(NamedTuple):
    """Seconds per row of an epoch of training, or of a whole fit, and of scoring.

    A method that adapts the model for evaluation does so for every task, and rows are scored with
    the model alone too.
    """

    train: float
    score: float
    adapt: float = 0.0  # per task


class Estimates:
    """Seconds of trainings; each model and size is measured once, by the kernels of a call."""

    def __init__(self, compute: Compute = Compute()) -> None:
        self._compute = compute
        self._paces: dict[tuple[object, ...], Pace] = {}
        self._broken: set[tuple[str, str]] = set()
        self._samples: dict[str, EncodedRows] = {}  # by the fingerprint of a log

    def seconds(self, work: Work) -> float:
        """Seconds of a training of `Protocol.least_epochs`; nan for a model that cannot do it."""
        pace, protocol, rows = self._pace(work), work.protocol, work.rows
        epochs = 1 if work.backbone in REFERENCES else protocol.least_epochs
        evaluations = 0 if work.backbone in REFERENCES else epochs * protocol.evaluations_per_epoch
        evaluation = pace.adapt * work.num_tasks + pace.score * rows.dev
        last = 0.0 if work.is_trial else evaluation + pace.score * rows.test + RUN_SECONDS
        return epochs * rows.train * pace.train + evaluations * evaluation + last

    def _pace(self, work: Work) -> Pace:
        model = (work.backbone, work.method)
        if model in self._broken:
            return Pace(math.nan, math.nan)
        try:
            key = (*model, *work.sizes, work.most_steps >= LEAST_STEPS)
            if key not in self._paces:
                set_up_torch(self._compute)
                self._paces[key] = _measured(work, self._rows(work), self._compute)
            return self._paces[key]
        except Exception:  # whatever a model of one's own raises: its run says it
            self._broken.add(model)
            return Pace(math.nan, math.nan)

    def _rows(self, work: Work) -> EncodedRows:
        """The sample of a log, with the domains and tasks that the model sees."""
        if work.data is None:
            return random_rows(work.schema, NUM_ROWS)
        name = work.data.fingerprint
        if name not in self._samples:
            self._samples[name] = sample_of(work.data, NUM_ROWS, most_domains=MANY_TASKS)
        sample, seen = self._samples[name], work.schema
        view = sample.schema.view(domain_from=seen.domain_from, task_from=seen.task_from)
        return EncodedRows(sample.matrix.numpy(), view)


def wall_seconds(seconds: Collection[float], num_workers: int) -> float:
    """Seconds of trainings in several processes, their start included; nan if one is."""
    return START_SECONDS + sum(seconds) / min(num_workers, max(len(seconds), 1))


def _measured(work: Work, rows: EncodedRows, compute: Compute) -> Pace:
    if work.backbone in REFERENCES:
        return _pace_of_reference(work, rows)
    split = TrainSplit(rows, range(len(rows)), work.protocol.batch_size)
    model, optimizer = model_on(rows.schema, work.protocol, work.backbone, work.method)
    step_seconds = _seconds_of(training_step(model, optimizer, split))
    if is_compiled(model, work.most_steps, compute):
        step_seconds *= COMPILED_SHARE
    model.eval()
    scored = range(min(NUM_SCORED, len(rows)))
    start = Seconds.now()
    predictor = model.method.adapt(model, split)
    adapt_seconds = start.passed().cpu
    predictors = (model,) if predictor is model else (model, predictor)
    score_seconds = [_seconds_of(partial(predict, one, rows, scored)) for one in predictors]
    return Pace(
        train=step_seconds * split.steps_per_epoch / len(rows),
        score=sum(score_seconds) / len(scored),
        adapt=adapt_seconds / (rows.schema.num_tasks - 1),
    )


def _pace_of_reference(work: Work, rows: EncodedRows) -> Pace:
    import sklearn.ensemble  # a second, which is no part of a fit
    import sklearn.linear_model  # noqa: F401

    train = rows.matrix.numpy()
    dev = train[: len(train) // 4]
    entry = REFERENCES[work.backbone]
    start = Seconds.now()
    fit_rows = FitRows(schema=rows.schema, train=train, dev=dev, protocol=work.protocol)
    scorer = entry.fit(entry.config(), fit_rows, 1)
    fitted = Seconds.now()
    scorer(dev)
    scored = fitted.passed()
    return Pace(start.until(fitted).cpu / len(train), scored.cpu / len(dev))


def _seconds_of(act: Callable[[], object]) -> float:
    """Mean CPU seconds of a call; the first, which may be slower, is not counted."""
    act()
    start, count = Seconds.now(), 0
    while count < MOST_STEPS and start.passed().cpu < MOST_SECONDS:
        act()
        count += 1
    return start.passed().cpu / count
