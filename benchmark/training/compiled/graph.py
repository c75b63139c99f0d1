"""A training step without its look-ups, traced to a graph of operations.

Tables stay outside: a step looks few of their rows up, which native kernels do. The graph gets
those rows and gives their gradient. Everything else is in it: the loss and the penalty, their
backward pass, and Adam on the dense parameters.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils import _pytree as pytree

from benchmark.training.adam import adam_values
from datasets.loader import Batch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch.fx import GraphModule

    from benchmark.training.optimizers import ProtocolAdam
    from models.ctr_model import CTRModel
    from models.interfaces import DomainContext, DomainMethod

Columns = dict[str, Any]  # of a `Batch`: a tensor each, but several for bags


class DensePart(NamedTuple):
    """The parameters of one `DenseAdam` by name, with their moments and the weight of their L2."""

    weights: dict[str, Tensor]
    first: list[Tensor]
    second: list[Tensor]
    steps: Tensor  # ()
    weight_decay: Tensor  # ()


class DenseState(NamedTuple):
    """All that a graph reads and moves in place; the buffers are those of the dense part."""

    parts: list[DensePart]
    buffers: dict[str, Tensor]
    is_broken: Tensor  # ()


class Inputs(NamedTuple):
    """The arguments of a graph."""

    rows: Tensor  # (B, C, K), looked up
    columns: Columns
    state: DenseState

    @property
    def tensors(self) -> list[Tensor]:
        """All tensors, in the order in which a built graph takes them."""
        return pytree.tree_leaves(self)


def columns_of(batch: Batch) -> Columns:
    """The columns of a batch as a graph takes them."""
    return {column.name: getattr(batch, column.name) for column in fields(batch)}


def state_of(model: CTRModel, optimizer: ProtocolAdam) -> DenseState:
    """The dense parameters, their moments and the buffers of a model, none of them copied."""
    names = {id(parameter): name for name, parameter in model.dense_parameters().items()}
    parts = [
        DensePart(
            {names[id(parameter)]: parameter.data for parameter in part.parameters},
            part.first,
            part.second,
            part.steps,
            torch.tensor(part.weight_decay),
        )
        for part in optimizer.of_rest
    ]
    buffers = {
        name: buffer for name, buffer in model.named_buffers() if not name.startswith("embedding.")
    }
    return DenseState(parts, buffers, optimizer.is_broken)


def traced(model: CTRModel, learning_rate: float, inputs: Inputs) -> GraphModule:
    """The graph of a step, which gives the loss () and the gradient (B, C, K) of the rows.

    Nothing is computed and nothing is moved.

    Raises:
        Exception: the step reads values on the host, or has work that is none of torch's.
    """

    def step(*flat: Tensor) -> tuple[Tensor, Tensor]:
        given: Inputs = pytree.tree_unflatten(flat, spec)
        rows = given.rows.detach().requires_grad_()
        weights = [
            {name: value.detach().requires_grad_() for name, value in part.weights.items()}
            for part in given.state.parts
        ]
        values = {name: value for part in weights for name, value in part.items()}
        dense = {f"model.{name}": value for name, value in (values | given.state.buffers).items()}
        with torch.enable_grad():
            loss, total = torch.func.functional_call(
                _Losses(model), dense, (rows, Batch(**given.columns))
            )
            sources = [rows, *values.values()]
            of_rows, *gradients = torch.autograd.grad(total, sources, allow_unused=True)
        _move(given.state, total.detach(), dict(zip(values, gradients, strict=True)), learning_rate)
        value = loss.detach() + 0.0 * (total - loss).detach()  # as `DomainMethod.update` gives it
        return value, of_rows

    flat, spec = pytree.tree_flatten(inputs)
    with torch.no_grad():
        return make_fx(step, tracing_mode="fake")(*flat)


def _move(
    state: DenseState, total: Tensor, gradients: Mapping[str, Tensor | None], learning_rate: float
) -> None:
    """One step of Adam in place, unless this loss or one before was nan or infinite."""
    is_bad = (total - total).ne(0.0).to(state.is_broken)  # nan is not 0
    state.is_broken.copy_(torch.maximum(state.is_broken, is_bad))
    is_whole = state.is_broken == 0.0
    for part in state.parts:
        part.steps.add_(1.0)
        for (name, weight), first, second in zip(
            part.weights.items(), part.first, part.second, strict=True
        ):
            gradient = gradients[name]
            if gradient is None:
                continue
            old = (weight, first, second)
            gradient = gradient + part.weight_decay * weight
            new = adam_values(weight, gradient, (first, second), part.steps, learning_rate)
            for place, before, after in zip(old, old, new, strict=True):
                place.copy_(torch.where(is_whole, after, before))


class _Losses(nn.Module):
    """The loss and the sum of loss and penalty, as a forward pass for `functional_call`."""

    def __init__(self, model: CTRModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, rows: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        method = self.model.method
        loss = method.loss(_LookedUp(self.model, rows), batch)
        penalty = method.penalty()
        return loss, loss if penalty is None else loss + penalty


class _LookedUp:
    """A model that has the rows of its one batch already."""

    def __init__(self, model: CTRModel, rows: Tensor) -> None:
        self.method: DomainMethod = model.method
        self.dense_parameters = model.dense_parameters
        self.score, self.score_with = model.score, model.score_with
        self._model = model
        self._rows: list[Tensor] = [rows]

    def embed(self, batch: Batch) -> DomainContext:
        """The context of the batch; a second look-up would need rows that are not there."""
        if not self._rows:
            raise RuntimeError("a second look-up of one step")
        return self._model.context(batch, self._rows.pop())

    def __call__(self, batch: Batch) -> Tensor:
        return self.score(self.embed(batch))
