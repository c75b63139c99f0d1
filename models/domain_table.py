"""Parameters of which every domain has its own: a row per domain, looked up and updated by row."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from models.grouping import Groups
    from models.interfaces import ModelShape


class DomainTable(nn.Module):
    """Values of one shape for every task id; all rows start equal.

    Row 0, of the values unseen in train, has no gradient and keeps its start. With a sparse
    gradient the optimiser moves only the rows that a step looked up, as it does with embeddings.
    Look each id up once a step.
    """

    def __init__(self, shape: ModelShape, values: tuple[int, ...], start: float) -> None:
        """Make one row per task of `shape`, each of the shape `values` and filled with `start`."""
        super().__init__()
        self.values = values
        self.start = start
        self.sparse_gradient = shape.sparse_gradient
        self.weight = nn.Parameter(torch.zeros(shape.num_tasks, math.prod(values)))

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """The start value everywhere."""
        self.weight.fill_(self.start)

    def forward(self, ids: Tensor) -> Tensor:
        """The rows of these different ids: (U,) -> (U, *values)."""
        rows = functional.embedding(ids, self.weight, padding_idx=0, sparse=self.sparse_gradient)
        return rows.unflatten(1, self.values)

    def gradient(self, groups: Groups, grad_rows: Tensor) -> Tensor:
        """The gradient of `weight` from that of the rows of the groups' ids: (U, *values).

        For a layer whose backward pass is its own; `grad_rows` may be overwritten.
        """
        ids, flat = groups.ids, grad_rows.flatten(1)
        if 0 in groups.numbers:
            flat[groups.numbers.index(0)] = 0.0
        if not self.sparse_gradient:
            return torch.zeros_like(self.weight).index_copy_(0, ids, flat)
        return torch.sparse_coo_tensor(
            ids.unsqueeze(0), flat, self.weight.shape, check_invariants=False
        )


def domain_tables(model: nn.Module) -> list[nn.Parameter]:
    """The per-domain parameters of a model."""
    return [module.weight for module in model.modules() if isinstance(module, DomainTable)]
