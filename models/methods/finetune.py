"""Fine-tuning: the shared network, trained jointly, goes on learning from each domain alone.

The domains are the values of one representative domain column, the task ids (AdaSparse, footnote
4), except where a study says otherwise. Row ids are in time order.

Paper: the baseline "Joint + Finetune" of Luo et al.: MAMDR: a model agnostic learning framework for
    multi-domain recommendation, ICDE 2023, arXiv 2202.12524.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from models.config_values import check_at_least, check_values
from models.facts import Facts
from models.interfaces import DomainMethod, MethodEntry, Range, tuned
from models.layers.task_parameters import (
    TaskPredictor,
    TaskRows,
    descended,
    latest_rows,
    stacked,
    stacked_rows,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from models.interfaces import Model, ModelShape, TrainRows


@dataclass(frozen=True, slots=True, kw_only=True)
class FinetuneConfig:
    """The steps on the rows of a task.

    Raises:
        ValueError: a value is out of its range.
    """

    rate: float = tuned(0.01, Range(low=1e-3, high=0.3, log=True))  # eta
    passes: int = tuned(1, Range(low=1, high=4))  # k; 0 is the plain network
    rows: int = 2048  # n, at most, of a task

    def __post_init__(self) -> None:
        check_values(self)
        check_at_least(self, 0, "rate", "passes")
        check_at_least(self, 1, "rows")


class Finetune(DomainMethod):
    """The plain network in training; for evaluation each task has one that goes on from there.

    theta are all dense parameters, phi the embeddings; L is the mean cross-entropy of a batch.

    Equation: theta_p^0 = theta, theta_p^{j+1} = theta_p^j - eta grad_theta L(B_p^j; theta_p^j, phi)
        over the batches B_p^j of k passes through the rows of the task p.
    Shapes: of T tasks with at most S batches of at most m rows, theta_p are stacked,
        (T, *shape of theta); x_0 is (T, S, m, d).
    Deviation: a task is fitted to its latest n train rows, since `adapt` runs before every
        evaluation on dev.
    Deviation: k and eta are searched on dev, one pair for all tasks. The public code stops each
        task by its own dev AUC, so that its labels choose a network per task.
    Deviation: batches are dealt out rather than shuffled: of S_p batches the j-th has every S_p-th
        row, beginning with the j-th latest. All batches of a task are of the same size, but for one
        row, and span the same time, and no random number is drawn.
    Deviation: phi is shared and stays: tables per task are unaffordable.
    Deviation: the steps have neither dropout nor a penalty: they are few and start from theta.
    Deviation: a task unseen in train, of which the paper has none, is scored by theta.
    """

    def __init__(self, config: FinetuneConfig, shape: ModelShape) -> None:
        super().__init__(shape)
        self.config = config

    @property
    def reads_e_d(self) -> bool:
        return False

    def adapt(self, model: Model, rows: TrainRows) -> TaskPredictor:
        """Theta for every task of train; stays valid until the model changes."""
        theta = model.dense_parameters()
        num_tasks = len(rows.task_id.unique()) if self.config.passes else 0
        with torch.inference_mode(mode=False), torch.no_grad():  # the former would forbid gradients
            predictor = TaskPredictor(model, theta, num_tasks)
            blocks = latest_rows(rows.task_id.cpu(), self.config.rows) if num_tasks else ()
            for tasks, row_ids, weight in blocks:
                ids, share = dealt(row_ids, weight, rows.batch_size)
                batches = stacked_rows(model, rows.batch(ids.flatten()), share)
                predictor.add(tasks, self.fine_tuned(model, batches))
        return predictor

    def fine_tuned(self, model: Model, batches: TaskRows) -> dict[str, Tensor]:
        """Theta (T, *shape) after all passes through the batches (T, S, m) of each task."""
        num_tasks, num_batches, _ = batches.weight.shape
        thetas = stacked(model.dense_parameters(), num_tasks)
        rate = batches.weight.new_full((num_tasks,), self.config.rate)
        for step in range(self.config.passes * num_batches):
            batch = TaskRows._make(column[:, step % num_batches] for column in batches)
            thetas = descended(model, thetas, batch, rate)
        return thetas

    def readapted(self, model: Model, tensors: Mapping[str, Tensor]) -> TaskPredictor:
        return TaskPredictor.again(model, model.dense_parameters(), tensors)


def dealt(row_ids: Tensor, weight: Tensor, batch_size: int) -> tuple[Tensor, Tensor]:
    """Deal the row ids (T, n) of tasks out to batches; rows come first and have a `weight` above 0.

    Gives the ids (T, S, m), and the weight (T, S, m) of each in the mean over its batch. A task has
    as few batches as can hold its rows. In those that it lacks all weights are 0, so that a step on
    them moves nothing.
    """
    num_rows = (weight > 0.0).sum(dim=1).view(-1, 1, 1)  # (T, 1, 1)
    num_batches = (num_rows + batch_size - 1) // batch_size
    most = int(num_batches.max())
    batch = torch.arange(most).view(1, -1, 1)  # (1, S, 1)
    place = torch.arange(int(((num_rows + num_batches - 1) // num_batches).max()))  # (m,)
    index = place * num_batches + batch  # (T, S, m)
    is_row = (batch < num_batches) & (index < num_rows)
    ids = row_ids.gather(1, torch.where(is_row, index, 0).flatten(1)).view_as(index)
    present = is_row.double()
    return ids, present / present.sum(dim=2, keepdim=True).clamp(min=1.0)


METHOD = MethodEntry(
    config=FinetuneConfig,
    build=Finetune,
    facts=Facts(
        title="Fine-tuning",
        paper="Luo et al.: MAMDR: a model agnostic learning framework for multi-domain"
        " recommendation, ICDE 2023, arXiv 2202.12524 (its baseline Joint + Finetune)",
        published="2022-02",
        family="adapted",
    ),
)
