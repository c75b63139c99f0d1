"""Parameters of each task's own, which gradient steps on its rows make of theta.

They are stacked, with the tasks as their first dimension, so that one product does the work of all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.func import vmap
from torch.nn import functional

from models.interfaces import AdaptedPredictor, DomainContext
from models.layers.grouping import group_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from datasets.loader import Batch
    from models.interfaces import Model

MAX_STACKED_TASKS = 64
MAX_STACKED_ROWS = 16_384
TASKS = "tasks"  # among the tensors of a predictor: the ids of its tasks


class TaskRows(NamedTuple):
    """Embedded rows of T tasks, n each."""

    domain_id: Tensor  # (T, n)
    task_id: Tensor  # (T, n)
    e_d: Tensor  # (T, n, E_d)
    x_0: Tensor  # (T, n, d)
    label: Tensor  # (T, n)
    weight: Tensor  # (T, n), of each row in its task's loss

    def losses(self, model: Model, thetas: Mapping[str, Tensor]) -> Tensor:
        """The weighted cross-entropy (T,) of each task's rows under its parameters (T, *shape)."""
        of_tasks = vmap(model.score_with, randomness="different")
        logits = of_tasks(dict(thetas), DomainContext(*self[:4]))  # (T, n)
        losses = functional.binary_cross_entropy_with_logits(
            logits, self.label, self.weight, reduction="none"
        )
        return losses.sum(dim=1)


def stacked_rows(model: Model, batch: Batch, weight: Tensor) -> TaskRows:
    """The rows of a batch, embedded, as a stack of tasks that is shaped like their weight.

    Places at its start that have no row hold copies of the first rows; their weight must be 0.
    """
    context = model.embed(batch)
    missing = weight.numel() - len(batch)
    columns = (*context, batch.label)
    stacks = (torch.cat([c[:missing], c]).unflatten(0, weight.shape) for c in columns)
    return TaskRows._make([*stacks, weight.to(context.x_0)])


def stacked(theta: Mapping[str, Tensor], num_tasks: int) -> dict[str, Tensor]:
    """The same parameters (T, *shape) for so many tasks."""
    return {name: value.expand(num_tasks, *value.shape) for name, value in theta.items()}


def descended(
    model: Model,
    thetas: Mapping[str, Tensor],
    rows: TaskRows,
    rate: Tensor,
    *,
    is_second_order: bool = False,
) -> dict[str, Tensor]:
    """The parameters (T, *shape) of each task after a gradient step on its rows at its rate (T,).

    The gradient is a constant, unless the order is the second.
    """
    with torch.enable_grad():
        start = dict(thetas) if is_second_order else leaves(thetas)
        loss = rows.losses(model, start).sum()  # a task's gradient is of its own loss
        gradients = torch.autograd.grad(loss, list(start.values()), create_graph=is_second_order)
    return {
        name: value - rate.view(-1, *[1] * (value.ndim - 1)) * gradient
        for (name, value), gradient in zip(thetas.items(), gradients, strict=True)
    }


def leaves(thetas: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The values without a past, as far as gradients go."""
    return {name: value.detach().requires_grad_() for name, value in thetas.items()}


def latest_rows(task_id: Tensor, limit: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """The latest rows of every task seen in train, at most `limit` each, a block of tasks a time.

    Yields the ids (T,) of some tasks, row ids (T, n), and the weight (T, n) of each row in the mean
    over its task's: 0 where a task has fewer than n rows.
    """
    order = torch.argsort(task_id, stable=True)
    tasks, counts = torch.unique(task_id, return_counts=True)
    ends = counts.cumsum(0)
    by_size = counts.argsort()
    step = max(1, min(MAX_STACKED_TASKS, MAX_STACKED_ROWS // limit))
    for block in by_size[tasks[by_size] > 0].split(step):
        kept = counts[block].clamp(max=limit).unsqueeze(1)  # (T, 1)
        back = torch.arange(int(kept.max()))  # (n,)
        positions = ends[block].unsqueeze(1) - 1 - torch.minimum(back, kept - 1)  # (T, n)
        yield tasks[block], order[positions], (back < kept).double() / kept


class TaskPredictor(AdaptedPredictor):
    """Scores every row with the parameters of its task; row 0 of the stack is theta itself.

    Rows of all tasks that have none of their own are scored together, as the model does it.
    """

    def __init__(self, model: Model, theta: Mapping[str, Tensor], num_tasks: int) -> None:
        """Make room for the parameters of `num_tasks` tasks beside theta."""
        self.model = model
        self.thetas = {
            name: value.new_empty(1 + num_tasks, *value.shape) for name, value in theta.items()
        }
        for name, value in theta.items():
            self.thetas[name][0] = value
        self.tasks = torch.empty(0, dtype=torch.int64)  # those in the stack, in its order
        device = next(iter(theta.values())).device
        num_ids = model.method.shape.num_tasks
        self.places = torch.zeros(num_ids, dtype=torch.int64, device=device)  # of each task's

    @classmethod
    @torch.no_grad()
    def again(
        cls, model: Model, theta: Mapping[str, Tensor], tensors: Mapping[str, Tensor]
    ) -> TaskPredictor:
        """The predictor that gave these `tensors`."""
        tasks = tensors[TASKS].cpu()
        predictor = cls(model, theta, len(tasks))
        predictor.add(tasks, {name: value for name, value in tensors.items() if name != TASKS})
        return predictor

    def add(self, tasks: Tensor, thetas: Mapping[str, Tensor]) -> None:
        """Keep the parameters (T, *shape) of these tasks (T,)."""
        low = 1 + len(self.tasks)
        for name, values in thetas.items():
            self.thetas[name][low : low + len(tasks)] = values
        device = self.places.device
        self.places[tasks.to(device)] = torch.arange(low, low + len(tasks), device=device)
        self.tasks = torch.cat([self.tasks, tasks])

    def tensors(self) -> dict[str, Tensor]:
        """The ids (T,) of the tasks, and the parameters (T, *shape) of each by name."""
        filled = 1 + len(self.tasks)
        thetas = {name: values[1:filled] for name, values in self.thetas.items()}
        return {TASKS: self.tasks, **thetas}

    @torch.no_grad()
    def __call__(self, batch: Batch) -> Tensor:
        context = self.model.embed(batch)
        groups = group_rows(self.places[batch.task_id])
        parts = (groups.runs(groups.sort(column)) for column in context)
        logits = [context.x_0.new_empty(0)]
        for place, *part in zip(groups.numbers, *parts, strict=True):
            theta = {name: values[place] for name, values in self.thetas.items()}
            logits.append(self.model.score_with(theta, DomainContext(*part)))
        return groups.unsort(torch.cat(logits))
