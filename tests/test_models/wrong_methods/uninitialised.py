"""Wrong: the scale has no `initialise`, it keeps what its constructor left there.

Paper: none.
"""

from dataclasses import dataclass

import torch
from torch import nn

from models.interfaces import DomainMethod, DomainTransform, MethodEntry


@dataclass(frozen=True)
class Config:
    pass


class Scale(DomainTransform):
    """Equation: s h.

    Shapes: s (N,).
    Deviation: none.
    """

    def __init__(self, n):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(n))

    def forward(self, h, context):
        return self.scale * h


class Uninitialised(DomainMethod):
    """Scales the hidden units."""

    def __init__(self, config, shape):
        super().__init__(shape)

    def transform(self, n, place):
        return Scale(n) if place == "hidden" else None


METHOD = MethodEntry(config=Config, build=Uninitialised)
