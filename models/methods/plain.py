"""No domain adaptation: one network for all domains."""

from __future__ import annotations

from dataclasses import dataclass

from models.facts import Facts
from models.interfaces import DomainMethod, MethodEntry, ModelShape


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainConfig:
    """Nothing to choose."""


def build(config: PlainConfig, shape: ModelShape) -> DomainMethod:
    """Every hook at its neutral default."""
    return DomainMethod(shape)


METHOD = MethodEntry(
    config=PlainConfig,
    build=build,
    facts=Facts(title="plain", in_table_1=True, colour="#000000", marker="o"),
    reads_tasks=False,
)
