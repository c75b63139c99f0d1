"""Affine maps with weights of each task's own, and what is known of the tasks that train has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from models.interfaces import DomainLinear, draw_weight
from models.layers.factors import map_by_own
from models.layers.grouping import OfLastIds
from models.layers.padded_groups import grouped
from models.layers.tables import DomainTable

if TYPE_CHECKING:
    from models.interfaces import Activation, DomainContext, ModelShape
    from models.layers.grouping import RowGroups


class OwnMaps(nn.Module):
    """The maps that a method gives each task, and the rows of each that training has seen.

    A task unseen in train has the mean of all tasks' maps, weighted by these rows. The mean is
    taken when training mode ends.
    """

    rows: Tensor

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.shape = shape
        self.groups = OfLastIds(self._group)
        self.register_buffer("rows", torch.zeros(shape.num_tasks, dtype=torch.int64))
        self._layers: list[OwnLinear] = []  # the backbone owns them

    def linear(
        self, n_in: int, n_out: int, activation: Activation | None, *, gain: float = 1.0
    ) -> OwnLinear:
        """A map of each task's own that `activation` follows, if any; `gain` scales its start."""
        layer = OwnLinear(n_in, n_out, activation, self, gain=gain)
        self._layers.append(layer)
        return layer

    def _group(self, task_id: Tensor) -> RowGroups:
        groups = grouped(task_id, self.shape.num_tasks)
        if self.training:
            self.rows.index_add_(0, groups.ids, groups.counts)
        return groups

    def train(self, mode: bool = True) -> OwnMaps:
        """Change the mode; at the end of training mode the maps of unseen tasks are made."""
        if self.training and not mode:
            for layer in self._layers:
                layer.fill_unseen(self.rows)
        super().train(mode)
        return self


class OwnLinear(DomainLinear):
    """An affine map with weights of each task's own.

    Equation: h W_p + b_p for a row h of the task p.
    Shapes: h (B, in), W_p (D, out, in), b_p (D, out).
    Deviation: all W_p start from one draw, so that the tasks differ by their rows alone.
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        activation: Activation | None,
        maps: OwnMaps,
        *,
        gain: float = 1.0,
    ) -> None:
        """Make a map that `activation` follows, if any; `maps` finds the rows of each task.

        The weights start at `gain` times what `draw_weight` draws.
        """
        super().__init__()
        self.activation, self.gain = activation, gain
        self.own_weight = DomainTable(maps.shape, (n_out, n_in), None)
        self.own_bias = DomainTable(maps.shape, (n_out,), 0.0)
        self.groups = maps.groups

    def initialise(self, generator: torch.Generator) -> None:
        """One draw of weights for all tasks."""
        first = torch.empty(self.own_weight.values, device=self.own_weight.weight.device)
        draw_weight(first, self.activation, generator)
        self.own_weight.fill(first.mul_(self.gain))

    def fill_unseen(self, rows: Tensor) -> None:
        """Make the map of unseen tasks the mean of the others, weighted by `rows` (D,)."""
        self.own_weight.fill_unseen(rows)
        self.own_bias.fill_unseen(rows)

    def forward(self, h: Tensor, context: DomainContext) -> Tensor:
        groups = self.groups(context.task_id)
        return map_by_own(h, (self.own_weight, self.own_bias), groups)
