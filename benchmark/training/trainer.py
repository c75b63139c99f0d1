"""The one training loop: fixed evaluation grid, early stopping, best weights restored."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field
from itertools import chain, count, islice
from typing import TYPE_CHECKING, Literal

import torch

from benchmark.training.clock import Seconds
from benchmark.training.epoch_order import epoch_parts, in_batches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from torch import Tensor

    from benchmark.protocol import Protocol
    from benchmark.tasks import EpochOrder
    from benchmark.training.compiled.step import CompiledStep
    from benchmark.training.optimizers import ProtocolAdam
    from datasets.loader import Batch, EncodedRows
    from models.ctr_model import CTRModel
    from models.interfaces import TrainRows

MAX_LATE = 4_096  # losses that are a tensor each
StopReason = Literal["patience", "cap", "fit"]  # "fit": a reference, whose fit ends by itself

logger = logging.getLogger(__name__)


class NonFiniteLossError(ArithmeticError):
    """Training left the numbers: the message says where."""


@dataclass(frozen=True, slots=True)
class DevScores:
    """The scores of the current weights on dev; `extra` are further columns of the history row."""

    loss: float  # LogLoss
    auc: float
    selected: float  # the metric that picks checkpoints
    extra: Mapping[str, float] = field(default_factory=dict)


class TrainSplit:
    """The train rows as methods see them (`models.interfaces.TrainRows`), in one of the orders."""

    def __init__(
        self, rows: EncodedRows, span: range, batch_size: int, order: EpochOrder = "exact"
    ) -> None:
        self._rows = rows
        self._start = span.start
        self.batch_size = batch_size
        self.domain_id, self.task_id = rows.ids(span.start, span.stop)  # (N,) each
        self.order = order

    def __len__(self) -> int:
        return self.domain_id.shape[0]

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps of one epoch, the last one on what remains."""
        return math.ceil(len(self) / self.batch_size)

    def epoch(self, generator: torch.Generator) -> Iterator[Tensor]:
        """All rows once in random order: their positions within train, on the rows' device."""
        parts = epoch_parts(self.order, len(self), generator, self._read)
        device = self.task_id.device
        return in_batches((part.to(device) for part in parts), self.batch_size)

    def _read(self, block: range) -> None:
        self._rows.read(self._start + block.start, self._start + block.stop)

    def batch(self, row_ids: Tensor) -> Batch:
        """Rows by their position within train."""
        return self._rows.batch((row_ids + self._start).to(self._rows.matrix.device))


@dataclass(slots=True)
class Training:
    """The history of a training, and the evaluation that the weights were restored from."""

    history: list[dict[str, float | str]] = field(default_factory=list)
    row_order: EpochOrder | None = None  # of `TrainRows.epoch`; a reference has none
    steps: int = 0
    step_seconds: float = 0.0
    step_cpu_seconds: float = 0.0
    sample_visits: int = 0
    candidates: int = 0
    best_step: int = 0
    best_dev_score: float = -math.inf
    stopped_by: StopReason = "cap"
    is_compiled: bool = False

    def add_seconds(self, spent: Seconds) -> None:
        """Count the time of some steps, their batches included."""
        self.step_seconds += spent.wall
        self.step_cpu_seconds += spent.cpu


@dataclass(slots=True)
class Losses:
    """The losses () of some steps, on their device: 600 bytes for a late one, 4 for the others."""

    late: list[Tensor] = field(default_factory=list)
    early: list[Tensor] = field(default_factory=list)  # (MAX_LATE,) each

    def add(self, loss: Tensor) -> None:
        """Keep the loss of one more step."""
        self.late.append(loss)
        if len(self.late) == MAX_LATE:
            self.early.append(torch.stack(self.late))
            self.late.clear()

    def values(self) -> list[float]:
        """All losses, in order; here the host waits for the device."""
        values: list[float] = torch.cat([*self.early, *(loss[None] for loss in self.late)]).tolist()
        return values


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps of a training: by the method itself, or compiled ones where there are some."""

    model: CTRModel
    optimizer: ProtocolAdam
    compiled: CompiledStep | None = None

    def make(self, batch: Batch, *, is_recorded: bool) -> Tensor:
        """Make a step and give its loss (); one `is_recorded` leaves the method's diagnostics.

        Raises:
            CompiledStepError: a recorded step shows that the compiled one does something else.
        """
        if self.compiled is None or not self.compiled.fits(batch):
            return self.model.method.update(self.model, batch, self.optimizer)
        compiled = self.compiled
        return compiled.checked_update(batch) if is_recorded else compiled.update(batch)


def train(
    steps: Steps,
    rows: TrainSplit,
    protocol: Protocol,
    *,
    generator: torch.Generator,
    score_dev: Callable[[], DevScores],
) -> Training:
    """Train a model in place and leave the best candidate's weights in it, however it ends.

    Args:
        steps: those of an initialised model; their optimiser lets go of it at the end.
        rows: the train split.
        protocol: the evaluation grid, the selection rule and the patience.
        generator: fixes the order of the rows.
        score_dev: scores the current weights on dev, in eval mode.

    Raises:
        NonFiniteLossError: the loss of a batch, or LogLoss on dev, is nan or infinite.
        CompiledStepError: a compiled step does something else than the method.
    """
    model = steps.model
    training = Training(row_order=rows.order, is_compiled=steps.compiled is not None)
    grid = protocol.evaluation_steps(rows.steps_per_epoch)
    best_weights: dict[str, Tensor] = {}
    losses = Losses()  # since the last evaluation
    start = Seconds.now()
    since_best = 0
    model.train()
    for batch in islice(all_batches(model, rows, generator), grid[-1]):
        training.steps += 1
        losses.add(steps.make(batch, is_recorded=training.steps in grid))
        training.sample_visits += model.method.loss_rows(len(batch))
        model.method.after_step(training.steps / rows.steps_per_epoch)
        if training.steps not in grid:
            continue
        train_loss = _mean_loss(losses.values(), training.steps, rows.steps_per_epoch)
        training.add_seconds(start.passed())
        steps.optimizer.catch_up()
        dev = score_dev()
        _check_finite(dev.loss, "dev LogLoss", training.steps / rows.steps_per_epoch)
        model.train()
        _record(training, model, rows.steps_per_epoch, train_loss, dev)
        losses = Losses()
        start = Seconds.now()
        if not protocol.is_selectable(training.steps, rows.steps_per_epoch):
            continue
        training.candidates += 1
        since_best += 1
        if dev.selected > training.best_dev_score:
            training.best_dev_score, training.best_step = dev.selected, training.steps
            since_best = 0
            best_weights = {name: value.clone() for name, value in model.state_dict().items()}
        if since_best >= protocol.patience_evaluations:
            training.stopped_by = "patience"
            break
    steps.optimizer.release()
    model.load_state_dict(best_weights)
    model.eval()
    return training


def all_batches(model: CTRModel, rows: TrainRows, generator: torch.Generator) -> Iterator[Batch]:
    """Epoch after epoch of the method's batches, without end."""
    epochs = (model.method.batches(rows, generator) for _ in count())
    return map(rows.batch, chain.from_iterable(epochs))


def _mean_loss(values: list[float], steps: int, steps_per_epoch: int) -> float:
    """The mean of the losses of the last steps."""
    for step, value in enumerate(values, start=steps - len(values) + 1):
        _check_finite(value, "loss", step / steps_per_epoch)
    return sum(values) / len(values)


def _check_finite(value: float, name: str, epoch: float) -> None:
    if not math.isfinite(value):
        raise NonFiniteLossError(
            f"the {name} is {value} at epoch {epoch:.2f}; no weights of this run are kept. Try"
            " weaker hyper-parameters of the method"
        )


def _record(
    training: Training, model: CTRModel, steps_per_epoch: int, train_loss: float, dev: DevScores
) -> None:
    """Append a train and a dev row, with the method's schedules and its last batch's sparsity."""
    schedules: dict[str, float | str] = {
        name: value.item() for name, value in model.method.diagnostics().items() if value.ndim == 0
    }
    common: dict[str, float | str] = {
        "step": training.steps,
        "epoch": training.steps / steps_per_epoch,
    }
    on_train = {"loss": train_loss, "auc": math.nan} | dict.fromkeys(dev.extra, math.nan)
    on_dev = {"loss": dev.loss, "auc": dev.auc, **dev.extra}
    training.history.append(common | {"split": "train", **on_train} | schedules)
    training.history.append(common | {"split": "dev", **on_dev} | schedules)
    logger.debug(
        "step %d: train loss %.5f, dev loss %.5f, dev AUC %.5f",
        training.steps,
        train_loss,
        dev.loss,
        dev.auc,
    )
