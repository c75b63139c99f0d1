"""The two kinds of learners as tuning and planning see them: a network, and a reference."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Protocol

from benchmark.config import REFERENCE
from benchmark.references.registry import REFERENCES, load_reference
from models.interfaces import search_space
from models.registry import available, load_backbone, load_method

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmark.config import Json
    from models.facts import Facts
    from models.interfaces import SearchSpace

    Values = Mapping[str, Json]


class Learner(Protocol):
    """The hyper-parameters of a learner, regularisers apart."""

    def own_space(self) -> SearchSpace:
        """The values that only the learner's own searches vary, as `method.*` or `backbone.*`."""
        ...

    def complete(self, backbone: Values, method: Values) -> tuple[dict[str, Json], dict[str, Json]]:
        """Both configs with every field, defaults for those that are not given.

        Raises:
            TypeError: an unknown field.
            ValueError: a value out of its range.
        """
        ...


@dataclass(frozen=True, slots=True)
class Network:
    """A method on a backbone."""

    backbone: str
    method: str

    def own_space(self) -> SearchSpace:
        """The values of the method."""
        return prefixed("method", search_space(load_method(self.method).config))

    def complete(self, backbone: Values, method: Values) -> tuple[dict[str, Json], dict[str, Json]]:
        """Both configs with every field, defaults for those that are not given."""
        return (
            asdict(load_backbone(self.backbone).config(**backbone)),
            asdict(load_method(self.method).config(**method)),
        )


@dataclass(frozen=True, slots=True)
class Reference:
    """A model that is no network; it has the place of a backbone, and stands alone there."""

    name: str

    def own_space(self) -> SearchSpace:
        """The values of the reference."""
        return prefixed("backbone", search_space(load_reference(self.name).config))

    def complete(self, backbone: Values, method: Values) -> tuple[dict[str, Json], dict[str, Json]]:
        """The config with every field, and none of a method."""
        return asdict(load_reference(self.name).config(**backbone)), {}


def learner_of(backbone: str, method: str) -> Learner:
    """The learner of a cell."""
    return Reference(backbone) if method == REFERENCE else Network(backbone, method)


def facts() -> dict[str, Facts]:
    """The facts of all methods, backbones and references, by name."""
    return {
        **{name: load_backbone(name).facts for name in available("backbones")},
        **{name: load_method(name).facts for name in available("methods")},
        **{name: entry.facts for name, entry in REFERENCES.items()},
    }


def prefixed(part: str, values: Mapping[str, object]) -> dict:
    """Values by their names in search spaces, such as `method.inner_rate`."""
    return {f"{part}.{name}": value for name, value in values.items()}
