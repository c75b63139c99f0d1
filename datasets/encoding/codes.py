"""Fitted codes of one feature: from any value to its code; 0 is what train does not know."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from datasets.encoding.tokens import MISSING, tokenize
from datasets.raw.values import split_bags
from datasets.spec import PAD, UNSEEN, DataError

if TYPE_CHECKING:
    from collections.abc import Callable

    from datasets.spec import FeatureSpec


@dataclass(frozen=True, eq=False)
class TokenCodes:
    """The codes of a categorical feature: 1 for the first token, and so on."""

    tokens: pl.Series

    @property
    def size(self) -> int:
        """The number of codes, code 0 included."""
        return len(self.tokens) + 1

    @cached_property
    def _vocabulary(self) -> pl.Enum:
        return pl.Enum(self.tokens)

    def of(self, texts: pl.Series) -> np.ndarray:
        """The codes (n,) int32 of texts; a missing value is a token of its own."""
        known = texts.fill_null(MISSING).cast(self._vocabulary, strict=False).to_physical()
        codes: np.ndarray = (known.cast(pl.Int32) + 1).fill_null(UNSEEN).to_numpy()
        return codes


@dataclass(frozen=True, eq=False)
class NumberCodes:
    """The codes of a numeric feature: its buckets, then one for missing values if train has any.

    `edges` are the lower ends of all buckets but the first; without known values in train there is
    no bucket.
    """

    edges: np.ndarray
    has_known: bool
    has_missing: bool

    @property
    def _num_buckets(self) -> int:
        return len(self.edges) + 1 if self.has_known else 0

    @property
    def size(self) -> int:
        """The number of codes, code 0 included."""
        return 1 + self._num_buckets + self.has_missing

    def of(self, values: np.ndarray) -> np.ndarray:
        """The codes (n,) int32 of numbers; missing ones are NaN."""
        codes = (np.searchsorted(self.edges, values, side="right") + 1).astype(np.int32)
        if not self.has_known:
            codes[:] = UNSEEN
        codes[np.isnan(values)] = self._num_buckets + 1 if self.has_missing else UNSEEN
        return codes


@dataclass(frozen=True, eq=False)
class BagCodes:
    """The codes of the first tokens of bags; each distinct bag is split once."""

    feature: FeatureSpec
    words: TokenCodes

    @property
    def size(self) -> int:
        """The number of codes, code 0 included."""
        return self.words.size

    def of(self, texts: pl.Series) -> np.ndarray:
        """The codes (M, n) int32 of the slots of bags, `PAD` where a slot is empty."""
        bags = tokenize([texts], len(texts))
        by_bag = np.full((self.feature.max_length, len(bags.tokens)), PAD, dtype=np.int32)
        bag, slot, words = first_words(bags.tokens, self.feature)
        by_bag[slot, bag] = self.words.of(words)
        return by_bag.take(bags.positions, axis=1)


Codes = TokenCodes | NumberCodes | BagCodes


def first_words(bags: pl.Series, feature: FeatureSpec) -> tuple[np.ndarray, np.ndarray, pl.Series]:
    """The bag, slot and word of every filled slot."""
    bag, words = split_bags(bags, feature.separator)
    slot = np.arange(len(bag)) - np.searchsorted(bag, bag)
    has_slot = slot < feature.max_length
    return bag[has_slot], slot[has_slot], words.filter(has_slot)


def numbers_of(texts: pl.Series, locate: Callable[[int], str], first: int) -> np.ndarray:
    """The numbers of texts, float64; missing values are NaN.

    Args:
        texts: a block of a numeric column.
        locate: the file and line of a row, for errors.
        first: the number of the block's first row.

    Raises:
        DataError: a value is text or infinite.
    """
    present = texts.is_not_null() & (texts != MISSING)
    numbers = texts.cast(pl.Float64, strict=False)
    wrong = present & (numbers.is_null() | numbers.is_infinite().fill_null(value=False))
    if wrong.any():
        row = int(wrong.arg_max() or 0)
        raise DataError(
            f"{locate(first + row)}: numeric column {texts.name!r} holds {texts[row]!r}; allowed is"
            " a finite number, or nothing for a missing value; correct the line or declare the"
            " column categorical"
        )
    return numbers.fill_null(float("nan")).to_numpy()
