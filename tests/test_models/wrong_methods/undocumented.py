"""Wrong: a layer whose docstring gives its equation, but neither source, shapes nor deviations."""

from dataclasses import dataclass

from models.interfaces import DomainMethod, DomainTransform, MethodEntry


@dataclass(frozen=True)
class Config:
    pass


class Halve(DomainTransform):
    """Equation: h / 2."""

    def forward(self, h, context):
        return h / 2.0


class Undocumented(DomainMethod):
    """Halves the hidden units."""

    def __init__(self, config, shape):
        super().__init__(shape)

    def transform(self, n, place):
        return Halve() if place == "hidden" else None


METHOD = MethodEntry(config=Config, build=Undocumented)
