"""Gates on the hidden units, which the domain of a row opens and shuts: a method to begin from.

Change the layer and its equation first, then the config and the hooks of the method, then the
docstrings: the contract asks for the four sections that stand here.

Paper: none; name authors, title, venue, year and address here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from models.config_values import check_at_least, check_values
from models.facts import Facts
from models.interfaces import DomainMethod, DomainTransform, MethodEntry, Range, tuned

if TYPE_CHECKING:
    from models.interfaces import DomainContext, ModelShape, Place


@dataclass(frozen=True, slots=True, kw_only=True)
class GateConfig:
    """The hyper-parameters: each has a default, and tuning searches those that are `tuned`."""

    strength: float = tuned(1.0, Range(low=0.1, high=10.0, log=True))

    def __post_init__(self) -> None:
        """Refuse values of a wrong type or out of range."""
        check_values(self)
        check_at_least(self, 0.0, "strength")


class DomainGate(DomainTransform):
    """The gates of one hidden layer: a layer of the network that may depend on the domain.

    Equation: h * 2 sigmoid(s e_d W), which is h where e_d is 0.
    Shapes: h (B, N), e_d (B, E_d), W (E_d, N), s ().
    Deviation: none; say here where the paper is silent or the code differs, and why.
    """

    def __init__(self, n: int, n_domain: int, strength: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(n_domain, n))
        self.strength = strength

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Fill every parameter from this generator alone, so that a seed fixes the start."""
        self.weight.normal_(0.0, 0.1, generator=generator)

    def forward(self, h: Tensor, context: DomainContext) -> Tensor:
        """Scale each row by the gates of its domain."""
        logit = self.strength * (context.e_d @ self.weight)  # (B, N)
        return h * 2.0 * torch.sigmoid(logit)


class GatedHidden(DomainMethod):
    """Gates on every hidden output; all other hooks of `DomainMethod` keep their neutral default.

    Equation: h^l = act(h^{l-1} W^l + b^l) * 2 sigmoid(s e_d V^l).
    Shapes: h^l (B, N_l), e_d (B, E_d), V^l (E_d, N_l).
    Deviation: none.
    """

    def __init__(self, config: GateConfig, shape: ModelShape) -> None:
        super().__init__(shape)
        self.config = config

    def transform(self, n: int, place: Place, index: int) -> DomainGate | None:
        """Make the layer that the backbone puts in this place; it asks once for each."""
        return (
            DomainGate(n, self.shape.n_domain, self.config.strength) if place == "hidden" else None
        )


METHOD = MethodEntry(
    config=GateConfig,
    build=GatedHidden,
    facts=Facts(family="generated"),  # title, paper and published too: see models/facts.py
    reads_tasks=False,  # True of a method that looks at task ids
)
