"""Wrong: `squeeze()` without a dimension drops that of the batch when it has one row.

Paper: none.
"""

from dataclasses import dataclass

from models.interfaces import AffineLinear, DomainMethod, MethodEntry


@dataclass(frozen=True)
class Config:
    pass


class SqueezedLinear(AffineLinear):
    """Equation: h W + b.

    Shapes: as a batch of rows, (B, 1, in) to (B, 1, out).
    Deviation: none.
    """

    def forward(self, h, context):
        return self.affine(h.unsqueeze(1)).squeeze()


class Squeezed(DomainMethod):
    """Hidden layers that are squeezed."""

    def __init__(self, config, shape):
        super().__init__(shape)

    def linear(self, n_in, n_out, role, index):
        if role != "hidden":
            return super().linear(n_in, n_out, role, index)
        return SqueezedLinear(n_in, n_out, self.shape.activation)


METHOD = MethodEntry(config=Config, build=Squeezed, reads_tasks=False)
