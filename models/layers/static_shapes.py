"""The choice of shapes: on a CPU by values, on a GPU, where the host would wait, static ones."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

_forced: list[bool] = []


def has_static_shapes(tensor: Tensor) -> bool:
    """True where work on a tensor must have shapes that follow from its own shape alone."""
    return bool(_forced) or tensor.device.type != "cpu"


@contextmanager
def static_shapes() -> Iterator[None]:
    """Have static shapes on a CPU too: for checks and tests of what a GPU does."""
    _forced.append(True)
    try:
        yield
    finally:
        _forced.pop()
