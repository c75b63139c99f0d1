"""Wrong: every row has the values of domain 1.

Paper: none.
"""

from dataclasses import dataclass

from models.interfaces import DomainMethod, DomainTransform, MethodEntry
from models.layers.domain_table import DomainTable


@dataclass(frozen=True)
class Config:
    pass


class Shift(DomainTransform):
    """Equation: h + b_1.

    Shapes: b (D, N).
    Deviation: none.
    """

    def __init__(self, n, shape):
        super().__init__()
        self.own = DomainTable(shape, (n,), 0.0)

    def forward(self, h, context):
        return h + self.own.weight[1]


class OneDomain(DomainMethod):
    """Shifts the hidden units."""

    def __init__(self, config, shape):
        super().__init__(shape)

    def transform(self, n, place):
        return Shift(n, self.shape) if place == "hidden" else None


METHOD = MethodEntry(config=Config, build=OneDomain)
