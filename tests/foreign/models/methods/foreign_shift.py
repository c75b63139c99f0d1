"""A bias per domain after every hidden layer, which a newcomer might try first.

Paper: none; the method is what tests add.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.config_values import check_values
from models.facts import Facts
from models.interfaces import (
    DomainContext,
    DomainMethod,
    DomainTransform,
    MethodEntry,
    ModelShape,
    Range,
    tuned,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftConfig:
    """The scale of the shifts."""

    scale: float = tuned(1.0, Range(low=0.1, high=1.0))

    def __post_init__(self) -> None:
        check_values(self)
        if self.scale < 0.0:
            raise ValueError(f"scale must be at least 0, got {self.scale}")


class Shift(DomainTransform):
    """The shift of one layer.

    Equation: h + s e_d W.
    Shapes: h (B, N), e_d (B, E_d), W (E_d, N).
    Deviation: none.
    """

    def __init__(self, n: int, n_domain: int, scale: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(n_domain, n))
        self.scale = scale

    def initialise(self, generator: torch.Generator) -> None:
        """Small weights."""
        nn.init.normal_(self.weight, std=0.01, generator=generator)

    def forward(self, h: Tensor, context: DomainContext) -> Tensor:
        return h + self.scale * (context.e_d @ self.weight)


class ForeignShift(DomainMethod):
    """Shifts on every hidden output.

    Equation: h^l = act(h^{l-1} W^l + b^l) + s e_d V^l.
    Shapes: h^l (B, N_l), e_d (B, E_d), V^l (E_d, N_l).
    Deviation: none.
    """

    def __init__(self, config: ShiftConfig, shape: ModelShape) -> None:
        super().__init__(shape)
        self.config = config

    def transform(self, n: int, place: str, index: int) -> Shift | None:
        return Shift(n, self.shape.n_domain, self.config.scale) if place == "hidden" else None


METHOD = MethodEntry(
    config=ShiftConfig, build=ForeignShift, facts=Facts(title="Shift"), reads_tasks=False
)
