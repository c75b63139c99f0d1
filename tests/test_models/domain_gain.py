"""A correct method that lives outside `models`: every domain scales the hidden units.

Paper: none; it is what tests plug in.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from models.interfaces import DomainMethod, DomainTransform, MethodEntry


@dataclass(frozen=True)
class GainConfig:
    limit: float = 0.5  # of alpha
    ramp_epochs: float = 0.5
    penalty_weight: float = 1e-3


class Gain(DomainTransform):
    """One layer's gains.

    Equation: h (1 + alpha tanh(e_d W)).
    Shapes: W (E_d, N).
    Deviation: none.
    """

    def __init__(self, n: int, n_domain: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(n_domain, n))
        self.register_buffer("alpha", torch.tensor(0.1))

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        self.weight.normal_(0.0, 0.1, generator=generator)

    def forward(self, h, context):
        return h * (1.0 + self.alpha * torch.tanh(context.e_d @ self.weight))  # (B, N)


class DomainGain(DomainMethod):
    """Gains that grow during the first half of an epoch."""

    def __init__(self, config: GainConfig, shape) -> None:
        super().__init__(shape)
        self.config = config
        self._gains = []

    def transform(self, n, place, index):
        if place != "hidden":
            return None
        self._gains.append(Gain(n, self.shape.n_domain))
        return self._gains[-1]

    def penalty(self):
        return self.config.penalty_weight * sum(gain.weight.square().mean() for gain in self._gains)

    @property
    def schedule_epochs(self):
        return self.config.ramp_epochs

    def after_step(self, progress):
        share = min(1.0, progress / self.config.ramp_epochs)
        for gain in self._gains:
            gain.alpha.fill_(0.1 + (self.config.limit - 0.1) * share)

    def diagnostics(self):
        return {"alpha": self._gains[0].alpha.clone()}


METHOD = MethodEntry(config=GainConfig, build=DomainGain, reads_tasks=False)
