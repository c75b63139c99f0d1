"""Wrong: alpha is an attribute, which no checkpoint holds.

Paper: none.
"""

from dataclasses import dataclass

import torch

from models.interfaces import DomainMethod, DomainTransform, MethodEntry


@dataclass(frozen=True)
class Config:
    limit: float = 2.0


class Squash(DomainTransform):
    """Equation: tanh(alpha h).

    Shapes: alpha ().
    Deviation: none.
    """

    def __init__(self):
        super().__init__()
        self.alpha = torch.tensor(1.0)

    def forward(self, h, context):
        return torch.tanh(self.alpha * h)


class PlainAttribute(DomainMethod):
    """Squashes the hidden units more and more during an epoch."""

    def __init__(self, config, shape):
        super().__init__(shape)
        self.config = config
        self._layers = []

    def transform(self, n, place):
        if place != "hidden":
            return None
        self._layers.append(Squash())
        return self._layers[-1]

    @property
    def schedule_epochs(self):
        return 1.0

    def after_step(self, progress):
        for layer in self._layers:
            layer.alpha = torch.tensor(1.0 + (self.config.limit - 1.0) * min(1.0, progress))


METHOD = MethodEntry(config=Config, build=PlainAttribute)
