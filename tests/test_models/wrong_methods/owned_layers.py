"""Wrong: the method registers the layers that it hands out, which renames their parameters.

Paper: none.
"""

from dataclasses import dataclass

from torch import nn

from models.interfaces import DomainMethod, MethodEntry


@dataclass(frozen=True)
class Config:
    pass


class OwnedLayers(DomainMethod):
    """Equation: h W + b.

    Shapes: W (N, M).
    Deviation: none.
    """

    def __init__(self, config, shape):
        super().__init__(shape)
        self.layers = nn.ModuleList()

    def linear(self, n_in, n_out, role):
        self.layers.append(super().linear(n_in, n_out, role))
        return self.layers[-1]


METHOD = MethodEntry(config=Config, build=OwnedLayers)
