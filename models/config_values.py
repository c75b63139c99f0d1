"""Checks of a config's values: their types, their lower bounds, and the choices there are."""

from __future__ import annotations

import math
from dataclasses import fields
from inspect import formatannotation
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from _typeshed import DataclassInstance


def check_values(config: DataclassInstance) -> None:
    """Make sure that a config holds what its fields are annotated with, as `ALLOWED` lists it.

    Call it before ranges are checked. An annotation is read as it is written, with or without
    `from __future__ import annotations`; a field whose annotation is not listed is not looked at.

    Raises:
        ValueError: a value is not what its field allows.
    """
    for field in fields(config):
        written = field.type if isinstance(field.type, str) else formatannotation(field.type)
        if written not in ALLOWED:
            continue
        allowed, is_allowed = ALLOWED[written]
        value = getattr(config, field.name)
        if not is_allowed(value):
            raise ValueError(f"{field.name} must be {allowed}, got {value!r}")


def check_at_least(config: DataclassInstance, low: float, *names: str) -> None:
    """Make sure that these fields of a config are not below `low`.

    Raises:
        ValueError: one of them is.
    """
    for name in names:
        if getattr(config, name) < low:
            raise ValueError(f"{name} must be at least {low}, got {getattr(config, name)}")


def check_choices(config: DataclassInstance, **allowed: Collection[str]) -> None:
    """Make sure that each field so named has one of its values.

    Raises:
        ValueError: one of them has another.
    """
    for name, values in allowed.items():
        value = getattr(config, name)
        if value not in tuple(values):  # whatever it is, hashable or not
            raise ValueError(f"unknown {name} {value!r}; allowed: {', '.join(values)}")


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)  # a bool is an int to Python


def _is_finite(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return -math.inf < value < math.inf


def _is_finite_pair(value: object) -> bool:
    """True for two numbers, in a list too: JSON has no tuples."""
    return isinstance(value, tuple | list) and len(value) == 2 and all(map(_is_finite, value))


ALLOWED: dict[str, tuple[str, Callable[[object], bool]]] = {  # by annotation
    "bool": ("True or False", lambda value: isinstance(value, bool)),
    "int": ("an integer", _is_integer),
    "int | None": ("an integer or None", lambda value: value is None or _is_integer(value)),
    "float": ("a finite number", _is_finite),
    "float | None": ("a finite number or None", lambda value: value is None or _is_finite(value)),
    "str": ("a text", lambda value: isinstance(value, str)),
    "tuple[float, float]": ("two finite numbers", _is_finite_pair),
}
