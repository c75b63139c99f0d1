"""Text columns as distinct tokens and their positions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterable

MISSING = ""  # token of a missing value; no value of a raw file is the empty text


@dataclass(frozen=True, slots=True)
class Tokens:
    """A text column as distinct tokens and their positions."""

    tokens: pl.Series  # distinct, in no particular order
    positions: np.ndarray  # (rows,) index into tokens, of the smallest unsigned type


def tokenize(blocks: Iterable[pl.Series], num_rows: int) -> Tokens:
    """Number the distinct values of a text column; a missing value is a token of its own."""
    numbering = Numbering()
    positions, start = np.empty(num_rows, dtype=np.uint32), 0
    for block in blocks:
        positions[start : start + len(block)] = numbering.of(block.fill_null(MISSING))
        start += len(block)
    tokens = numbering.texts()
    return Tokens(tokens, positions.astype(np.min_scalar_type(len(tokens)), copy=False))


class Numbering:
    """Consecutive numbers for different texts, the same in all blocks.

    Keeping a part of a block's texts would keep the memory of them all.
    """

    def __init__(self) -> None:
        self._dtype = pl.Categorical(pl.Categories.random())
        self._last = pl.Series(dtype=self._dtype)  # Polars forgets categories that no series has
        self.size = 0

    def of(self, texts: pl.Series) -> np.ndarray:
        """The number of each text, uint32."""
        self._last = texts.cast(self._dtype)
        numbers = self._last.to_physical().to_numpy()
        self.size = max(self.size, int(numbers.max(initial=0)) + bool(len(numbers)))
        return numbers

    def texts(self) -> pl.Series:
        """All texts so far, by their number."""
        return pl.Series(np.arange(self.size, dtype=np.uint32)).cat.to(self._dtype).cast(pl.String)
