"""Results that follow from rows, kept while a report needs them, within one budget of bytes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any, ParamSpec, TypeVar

import numpy as np
from cachetools import LRUCache, cached
from cachetools.keys import hashkey

KEPT_BYTES = 2 << 30  # of all results together; a larger one is made anew each time

Given = ParamSpec("Given")
Found = TypeVar("Found")


def num_bytes(value: object) -> int:
    """The bytes of the arrays in a value: an array, or tuples, mappings and dataclasses of some."""
    if isinstance(value, np.ndarray):
        return value.nbytes
    if is_dataclass(value):
        return sum(num_bytes(getattr(value, field.name)) for field in fields(value))
    if isinstance(value, Mapping):
        return sum(map(num_bytes, value.values()))
    return sum(map(num_bytes, value)) if isinstance(value, tuple) else 0


_CACHE: LRUCache[Hashable, Any] = LRUCache(KEPT_BYTES, getsizeof=num_bytes)


def kept(
    function: Callable[Given, Found], key: Callable[..., Hashable] = hashkey
) -> Callable[Given, Found]:
    """The function with its last results kept, told apart by a key of its arguments."""
    own = partial(_key_of, f"{function.__module__}.{function.__qualname__}", key)
    return cached(_CACHE, key=own)(function)


def _key_of(name: str, key: Callable[..., Hashable], *arguments: object) -> Hashable:
    return name, key(*arguments)
