"""A bias of the logit per task, set after training: a method that adapts for evaluation.

Paper: none; the method is what tests add.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models.config_values import check_at_least, check_values
from models.facts import Facts
from models.interfaces import AdaptedPredictor, DomainMethod, MethodEntry, ModelShape, Range, tuned


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorConfig:
    """The rows by which the click rate of a task is drawn to that of the model."""

    prior_rows: float = tuned(10.0, Range(low=1.0, high=100.0, log=True))

    def __post_init__(self) -> None:
        check_values(self)
        check_at_least(self, 0, "prior_rows")


class ShiftedPredictor(AdaptedPredictor):
    """The logits of a model and the bias of each row's task; none for a task unseen in train."""

    def __init__(self, model: object, bias: Tensor) -> None:
        self.model, self.bias = model, bias  # (tasks,)

    @torch.no_grad()
    def __call__(self, batch: object) -> Tensor:
        return self.model(batch) + self.bias[batch.task_id.long()]

    def tensors(self) -> dict[str, Tensor]:
        return {"bias": self.bias}


class ForeignPrior(DomainMethod):
    """Every task is moved to its click rate.

    Equation: logit + b_t, b_t = log-odds(rate_t) - log-odds(mean prediction_t) over the n_t train
        rows of task t, rate_t = (clicks_t + m mean prediction_t) / (n_t + m).
    Shapes: b (tasks,), m ().
    Deviation: none.
    """

    def __init__(self, config: PriorConfig, shape: ModelShape) -> None:
        super().__init__(shape)
        self.config = config

    @property
    def reads_e_d(self) -> bool:
        return False

    @torch.no_grad()
    def adapt(self, model: object, rows: object) -> ShiftedPredictor:
        bias = torch.zeros(self.shape.num_tasks)
        for task in rows.task_id.unique().long():
            own = (rows.task_id == task).nonzero().squeeze(1)
            batch = rows.batch(own)
            mean = torch.sigmoid(model(batch)).mean()
            prior = self.config.prior_rows
            rate = (batch.label.sum() + prior * mean) / (len(own) + prior)
            bias[task] = torch.logit(rate) - torch.logit(mean)
        return ShiftedPredictor(model, bias)

    def readapted(self, model: object, tensors: dict[str, Tensor]) -> ShiftedPredictor:
        return ShiftedPredictor(model, tensors["bias"])


METHOD = MethodEntry(config=PriorConfig, build=ForeignPrior, facts=Facts(title="Prior"))
