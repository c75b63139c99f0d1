"""Parameters of which every domain has its own: a row per domain, looked up and updated by row."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from models.layers.row_table import RowTable

if TYPE_CHECKING:
    from torch import Tensor, nn

    from models.interfaces import ModelShape
    from models.layers.grouping import Groups


class DomainTable(RowTable):
    """Values of one shape for every task id; all rows start equal.

    Row 0, of the values unseen in train, has no gradient and keeps its start. Look each id up once
    a step. A layer that reads `weight` itself first announces the ids and gives the gradient.
    """

    def __init__(self, shape: ModelShape, values: tuple[int, ...], start: float) -> None:
        """Make one row per task of `shape`, each of the shape `values` and filled with `start`."""
        super().__init__(shape.num_tasks, math.prod(values), sparse_gradient=shape.sparse_gradient)
        self.values = values
        self.start = start

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """The start value everywhere."""
        self.weight.fill_(self.start)

    def forward(self, ids: Tensor) -> Tensor:
        """The rows of these different ids: (U,) -> (U, *values)."""
        return self.look_up(ids, padding_idx=0).unflatten(1, self.values)

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


def domain_tables(model: nn.Module) -> list[DomainTable]:
    """The tables of a model that have a row per domain."""
    return [module for module in model.modules() if isinstance(module, DomainTable)]
