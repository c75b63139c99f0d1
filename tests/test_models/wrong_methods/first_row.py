"""Wrong: in training the whole batch has the domain of its first row.

Paper: none.
"""

from dataclasses import dataclass

from models.interfaces import DomainMethod, DomainTransform, MethodEntry
from models.layers.domain_table import DomainTable


@dataclass(frozen=True)
class Config:
    pass


class Shift(DomainTransform):
    """Equation: h + b_p.

    Shapes: b (D, N).
    Deviation: none.
    """

    def __init__(self, n, shape):
        super().__init__()
        self.own = DomainTable(shape, (n,), 0.0)

    def forward(self, h, context):
        ids = context.task_id
        if self.training:
            ids = ids[:1].expand(len(ids))
        return h + self.own.weight[ids]


class FirstRow(DomainMethod):
    """Shifts the hidden units."""

    def __init__(self, config, shape):
        super().__init__(shape)

    def transform(self, n, place):
        return Shift(n, self.shape) if place == "hidden" else None


METHOD = MethodEntry(config=Config, build=FirstRow)
