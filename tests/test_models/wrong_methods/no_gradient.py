"""Wrong: the gate is a step without a straight-through gradient, so that it never learns.

Paper: none.
"""

from dataclasses import dataclass

import torch
from torch import nn

from models.interfaces import DomainMethod, DomainTransform, MethodEntry


@dataclass(frozen=True)
class Config:
    threshold: float = 0.25


class Gate(DomainTransform):
    """Equation: h step(sigma(e_d W) - epsilon).

    Shapes: W (E_d, N).
    Deviation: none.
    """

    def __init__(self, n, n_domain, threshold):
        super().__init__()
        self.threshold = threshold
        self.weight = nn.Parameter(torch.zeros(n_domain, n))

    @torch.no_grad()
    def initialise(self, generator):
        self.weight.normal_(generator=generator)

    def forward(self, h, context):
        return h * (torch.sigmoid(context.e_d @ self.weight) > self.threshold)  # (B, N)


class NoGradient(DomainMethod):
    """Gates the hidden units."""

    def __init__(self, config, shape):
        super().__init__(shape)
        self.config = config

    def transform(self, n, place):
        if place != "hidden":
            return None
        return Gate(n, self.shape.n_domain, self.config.threshold)


METHOD = MethodEntry(config=Config, build=NoGradient)
