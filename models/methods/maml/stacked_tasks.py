"""Tasks with parameters of their own, many at once: stacks of rows and stacks of parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.func import vmap
from torch.nn import functional

from models.interfaces import DomainContext

if TYPE_CHECKING:
    from collections.abc import Mapping

    from datasets.loader import Batch
    from models.interfaces import Model


class TaskRows(NamedTuple):
    """Embedded rows of T tasks, n each; a task may be half a chunk."""

    domain_id: Tensor  # (T, n)
    task_id: Tensor  # (T, n)
    e_d: Tensor  # (T, n, E_d)
    x_0: Tensor  # (T, n, d)
    label: Tensor  # (T, n)
    weight: Tensor  # (T, n), of each row in its task's loss

    def losses(self, model: Model, thetas: Mapping[str, Tensor]) -> Tensor:
        """The weighted cross-entropy (T,) of each task's rows under its parameters (T, *shape)."""
        logits = stacked_scores(model, thetas, DomainContext(*self[:4]))  # (T, n)
        losses = functional.binary_cross_entropy_with_logits(
            logits, self.label, self.weight, reduction="none"
        )
        return losses.sum(dim=1)

    def partners(self) -> TaskRows:
        """Halves of chunks, a pair each, in exchanged places."""
        return TaskRows._make(c.unflatten(0, (-1, 2)).flip(1).flatten(0, 1) for c in self)

    def one_of_each(self) -> TaskRows:
        """Of the pairs of halves the first, the second, the first, and so on."""
        pair = torch.arange(len(self.weight) // 2, device=self.weight.device)
        return TaskRows._make(column[2 * pair + pair % 2] for column in self)

    def pooled(self) -> TaskRows:
        """The same rows, each with an equal weight in the sum over all tasks; 0 stays 0."""
        is_row = (self.weight > 0.0).to(self.weight)
        return self._replace(weight=is_row / is_row.sum())


def stacked_scores(model: Model, thetas: Mapping[str, Tensor], context: DomainContext) -> Tensor:
    """Logits (T, n) of the rows (T, n, ...) of tasks, each with its parameters (T, *shape)."""

    def score(theta: dict[str, Tensor], *columns: Tensor) -> Tensor:
        return model.score_with(theta, DomainContext(*columns))

    columns = (context.domain_id, context.task_id, context.e_d, context.x_0)
    logits: Tensor = vmap(score, randomness="different")(dict(thetas), *columns)
    return logits


def stacked_rows(model: Model, batch: Batch, weight: Tensor) -> TaskRows:
    """The rows of a batch, embedded, as a stack of tasks that is shaped like their weight.

    Places at its start that have no row hold copies of the first rows; their weight must be 0.
    """
    context = model.embed(batch)
    missing = weight.numel() - len(batch)
    columns = (context.domain_id, context.task_id, context.e_d, context.x_0, batch.label)
    stacks = (torch.cat([c[:missing], c]).unflatten(0, weight.shape) for c in columns)
    return TaskRows._make([*stacks, weight.to(context.x_0)])


class TaskPredictor:
    """Scores every row with the parameters of its task; row 0 of the stack is theta itself."""

    def __init__(self, model: Model, theta: Mapping[str, Tensor], num_tasks: int) -> None:
        """Make room for the parameters of `num_tasks` tasks beside theta."""
        self.model = model
        self.thetas = {
            name: value.new_empty(1 + num_tasks, *value.shape) for name, value in theta.items()
        }
        for name, value in theta.items():
            self.thetas[name][0] = value
        self.places: dict[int, int] = {}  # of the tasks in the stack

    def add(self, tasks: Tensor, thetas: Mapping[str, Tensor]) -> None:
        """Keep the parameters (T, *shape) of these tasks (T,)."""
        low = 1 + len(self.places)
        for name, values in thetas.items():
            self.thetas[name][low : low + len(tasks)] = values
        self.places |= {task: low + index for index, task in enumerate(tasks.tolist())}

    @torch.no_grad()
    def __call__(self, batch: Batch) -> Tensor:
        """Logits (B,)."""
        context = self.model.embed(batch)
        tasks, counts = torch.unique(batch.task_id, return_counts=True)
        order = torch.argsort(batch.task_id, stable=True)
        columns = (context.domain_id, context.task_id, context.e_d, context.x_0)
        parts = (column.index_select(0, order).split(counts.tolist()) for column in columns)
        logits = [context.x_0.new_empty(0)]
        for task, *part in zip(tasks.tolist(), *parts, strict=True):
            place = self.places.get(task, 0)
            theta = {name: values[place] for name, values in self.thetas.items()}
            logits.append(self.model.score_with(theta, DomainContext(*part)))
        return torch.cat(logits).index_select(0, order.argsort())
