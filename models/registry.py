"""Backbones and methods by name; the name is the file's."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from models.interfaces import BackboneEntry, MethodEntry

Kind = Literal["backbones", "methods"]


def available(kind: Kind) -> tuple[str, ...]:
    """Names of all plug-ins of a kind, sorted; imports none of them."""
    files = (Path(__file__).parent / kind).glob("[!_]*.py")
    return tuple(sorted(file.stem for file in files))


def load_backbone(name: str) -> BackboneEntry:
    """The backbone of this name.

    Raises:
        ValueError: there is none.
    """
    _check("backbones", name)
    entry: BackboneEntry = import_module(f"models.backbones.{name}").BACKBONE
    return entry


def load_method(name: str) -> MethodEntry:
    """The method of this name.

    Raises:
        ValueError: there is none.
    """
    _check("methods", name)
    entry: MethodEntry = import_module(f"models.methods.{name}").METHOD
    return entry


def _check(kind: Kind, name: str) -> None:
    names = available(kind)
    if name not in names:
        singular = kind.removesuffix("s")
        raise ValueError(
            f"Unknown {singular} {name!r}. Available: {', '.join(names)}."
            f" A new {singular} is one file: models/{kind}/{name}.py."
        )
