"""What a study changes of a preset's protocol, for all methods alike, and how that is named."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypedDict

from benchmark.protocol import PRESETS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmark.protocol import Activation, Protocol

BASES = {protocol.name: protocol for preset in PRESETS.values() for protocol in preset.protocols}


class Setting(TypedDict, total=False):
    """Other values of a protocol's fields."""

    embedding_dim: int
    activation: Activation
    learning_rate: float
    embedding_std: float


SETTINGS: tuple[Setting, ...] = (  # those of a preset's own protocol are no change
    {"embedding_dim": 8},
    {"embedding_dim": 16},
    {"embedding_dim": 32},
    {"activation": "tanh"},
    {"activation": "relu"},
    {"learning_rate": 3e-4},
    {"learning_rate": 1e-3},
    {"learning_rate": 3e-3},
    {"embedding_std": 0.01},
    {"embedding_std": 0.1},
    {"embedding_std": 0.3},
)
SETTING_WORDS = {
    "embedding_dim": "embedding size",
    "activation": "activation",
    "learning_rate": "learning rate",
    "embedding_std": "embedding std",
}


def with_setting(protocol: Protocol, setting: Setting) -> Protocol:
    """The protocol with other values, named after it and them."""
    changed = replace(protocol, **setting)
    words = setting_words(setting_of(changed, protocol))
    return replace(changed, name=", ".join([protocol.name, *words]))


def base_of(protocol: Protocol) -> Protocol:
    """The protocol of a preset whose name it begins with, before the words on what was changed."""
    base = protocol.name.partition(", ")[0]
    return BASES.get(base, protocol)


def setting_of(protocol: Protocol, base: Protocol) -> dict[str, object]:
    """The values of the fields of a `Setting` that differ from those of another protocol."""
    values = {name: getattr(protocol, name) for name in SETTING_WORDS}
    return {name: value for name, value in values.items() if value != getattr(base, name)}


def setting_words(setting: Mapping[str, object]) -> list[str]:
    """A setting in words, such as `embedding size 16`."""
    return [f"{SETTING_WORDS[name]} {value}" for name, value in setting.items()]
