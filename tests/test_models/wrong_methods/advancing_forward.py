"""Wrong: alpha rises in every forward pass, in evaluation as well.

Paper: none.
"""

from dataclasses import dataclass

import torch

from models.interfaces import DomainMethod, DomainTransform, MethodEntry


@dataclass(frozen=True)
class Config:
    step: float = 1e-3


class Squash(DomainTransform):
    """Equation: tanh(alpha h).

    Shapes: alpha ().
    Deviation: none.
    """

    def __init__(self, step):
        super().__init__()
        self.step = step
        self.register_buffer("alpha", torch.tensor(1.0))

    def forward(self, h, context):
        self.alpha += self.step
        return torch.tanh(self.alpha * h)


class AdvancingForward(DomainMethod):
    """Squashes the hidden units."""

    def __init__(self, config, shape):
        super().__init__(shape)
        self.config = config

    def transform(self, n, place):
        return Squash(self.config.step) if place == "hidden" else None


METHOD = MethodEntry(config=Config, build=AdvancingForward)
