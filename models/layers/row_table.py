"""A table of which a step reads few rows, and which says so before it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable


class RowTable(nn.Module):
    """Rows that are looked up by id; with a sparse gradient only those of a step have one.

    An optimiser that moves such rows alone may owe the others what earlier steps would have done to
    them. It sets `before_look_up`, which a table in training mode calls with the ids that will be
    read. A copy of a table has no optimiser.
    """

    def __init__(self, num_rows: int, width: int, *, sparse_gradient: bool) -> None:
        super().__init__()
        self.sparse_gradient = sparse_gradient
        self.before_look_up: Callable[[Tensor], object] | None = None
        self.weight = nn.Parameter(torch.zeros(num_rows, width))

    def look_up(self, ids: Tensor, padding_idx: int | None = None) -> Tensor:
        """The rows of these ids, of any shape: (..., width)."""
        self.announce(ids)
        return functional.embedding(ids, self.weight, padding_idx, sparse=self.sparse_gradient)

    def announce(self, ids: Tensor) -> None:
        """Say that rows will be read; for a layer that reads `weight` itself."""
        if self.training and self.before_look_up is not None:
            self.before_look_up(ids)

    def __getstate__(self) -> dict[str, object]:
        """Copies have no optimiser."""
        return self.__dict__ | {"before_look_up": None}
