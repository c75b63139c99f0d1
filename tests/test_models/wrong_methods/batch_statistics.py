"""Wrong: batch statistics in evaluation too, so that a row's logit depends on its batch mates.

Paper: none.
"""

from dataclasses import dataclass

from models.interfaces import DomainMethod, DomainTransform, MethodEntry


@dataclass(frozen=True)
class Config:
    pass


class BatchNorm(DomainTransform):
    """Equation: (h - mean) / sqrt(var + 0.1).

    Shapes: mean and var (N,).
    Deviation: no scale, no shift.
    """

    def forward(self, h, context):
        centred = h - h.mean(dim=0)
        return centred / (centred.square().mean(dim=0) + 0.1).sqrt()


class BatchStatistics(DomainMethod):
    """Normalises the hidden units."""

    def __init__(self, config, shape):
        super().__init__(shape)

    def transform(self, n, place):
        return BatchNorm() if place == "hidden" else None


METHOD = MethodEntry(config=Config, build=BatchStatistics)
