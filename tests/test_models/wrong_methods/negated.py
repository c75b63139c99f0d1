"""Wrong: `torch.sign` is -1, not 0, where the gate is shut, so nothing is pruned.

Paper: none.
"""

from dataclasses import dataclass

import torch
from torch import nn

from models.interfaces import DomainMethod, DomainTransform, MethodEntry


@dataclass(frozen=True)
class Config:
    threshold: float = 0.25


class Pruner(DomainTransform):
    """Equation: h pi, pi = v sign(v - epsilon), v = 2 sigma(e_d W).

    Shapes: W (E_d, N).
    Deviation: none.
    """

    def __init__(self, n, n_domain, threshold):
        super().__init__()
        self.threshold = threshold
        self.weight = nn.Parameter(torch.zeros(n_domain, n))
        self.factor = None

    @torch.no_grad()
    def initialise(self, generator):
        self.weight.normal_(generator=generator)

    def forward(self, h, context):
        v = 2.0 * torch.sigmoid(context.e_d @ self.weight)  # (B, N)
        factor = v * torch.sign(v - self.threshold)
        self.factor = None if self.training else factor.detach()
        return h * factor


class Negated(DomainMethod):
    """Prunes the hidden units."""

    def __init__(self, config, shape):
        super().__init__(shape)
        self.config = config
        self._pruners = []

    def transform(self, n, place):
        if place != "hidden":
            return None
        self._pruners.append(Pruner(n, self.shape.n_domain, self.config.threshold))
        return self._pruners[-1]

    def diagnostics(self):
        recorded = {}
        for number, pruner in enumerate(self._pruners, start=1):
            if pruner.factor is not None:
                recorded[f"layer{number}/factor"] = pruner.factor
                recorded[f"layer{number}/gate"] = (pruner.factor > self.config.threshold).float()
        return recorded


METHOD = MethodEntry(config=Config, build=Negated)
