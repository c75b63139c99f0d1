"""The deep tower: the stack of hidden layers that both backbones use."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.interfaces import DomainTower, DomainTransform

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.interfaces import DomainContext, DomainMethod, ModelShape


class Tower(DomainTower):
    """The method's transform of the input, then hidden layers.

    A hidden layer is an affine map, the activation, the method's transform and dropout.
    """

    def __init__(self, n_in: int, shape: ModelShape, method: DomainMethod) -> None:
        super().__init__()
        self.inputs = optional_modules([method.transform(n_in, "tower", 0)])
        widths = (n_in, *shape.hidden_dims)
        self.layers = nn.ModuleList(
            method.linear(low, high, "hidden", index)
            for index, (low, high) in enumerate(pairwise(widths))
        )
        self.transforms = optional_modules(
            [method.transform(n, "hidden", index) for index, n in enumerate(shape.hidden_dims)]
        )
        self.activation = torch.tanh if shape.activation == "tanh" else torch.relu
        self.dropout = shape.dropout

    def forward(self, h: Tensor, context: DomainContext) -> Tensor:
        """Map (B, n_in) to (B, N_last)."""
        h = self.inputs[0](h, context)  # (B, n_in)
        for layer, transform in zip(self.layers, self.transforms, strict=True):
            h = transform(self.activation(layer(h, context)), context)  # (B, N_l)
            if self.dropout:
                h = functional.dropout(h, self.dropout, self.training)
        return h


def make_tower(n_in: int, shape: ModelShape, method: DomainMethod) -> DomainTower:
    """The deep tower of a backbone, which reads `n_in` values: the method's own, if it has one."""
    own = method.tower(n_in)
    return Tower(n_in, shape, method) if own is None else own


class Unchanged(DomainTransform):
    """Stands where a method has no transform."""

    def forward(self, h: Tensor, context: DomainContext) -> Tensor:
        return h


def optional_modules(transforms: Sequence[DomainTransform | None]) -> nn.ModuleList:
    """Registers transforms, with `Unchanged` for None: names do not depend on the method."""
    return nn.ModuleList(
        Unchanged() if transform is None else transform for transform in transforms
    )
