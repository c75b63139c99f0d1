"""Codes of feature values, fitted on train rows only: code 0 is what train does not know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from datasets.spec import PAD, UNSEEN, DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from datasets.spec import FeatureSpec
    from datasets.splits import RowOrder

MISSING = ""  # token of a missing value; no value of a raw file is the empty text
BAG_CHUNK = 500_000  # distinct bags that are split at a time
SAMPLE_ROWS = 100_000


@dataclass(frozen=True, slots=True)
class Tokens:
    """A text column as distinct tokens and their positions."""

    tokens: pl.Series  # distinct, in no particular order
    positions: np.ndarray  # (rows,) index into tokens


@dataclass(frozen=True, slots=True)
class Encoded:
    """One encoded feature in prepared row order."""

    codes: np.ndarray  # (N,) int32, or (M, N) for the M slots of a bag
    size: int
    frequencies: np.ndarray  # (size,) int64 train occurrences of each code


def tokenize(column: pl.Series) -> Tokens:
    """Number the distinct values of a text column; a missing value is a token of its own."""
    categories = column.fill_null(MISSING).cast(pl.Categorical(pl.Categories.random()))
    positions = categories.to_physical().to_numpy()
    distinct = categories.unique()
    by_position = np.argsort(distinct.to_physical().to_numpy())
    return Tokens(distinct.cast(pl.String).gather(by_position), positions)


def tokenize_bags(column: pl.Series) -> Tokens:
    """Number the distinct bags, or every row on its own where most rows differ anyway."""
    if column.head(SAMPLE_ROWS).n_unique() <= min(len(column), SAMPLE_ROWS) / 2:
        return tokenize(column)
    return Tokens(column.fill_null(MISSING), np.arange(len(column)))


def encode_categorical(column: Tokens, rows: RowOrder, min_count: int) -> Encoded:
    """Codes by falling train count, then by token."""
    positions = column.positions[rows.order]
    counts = np.bincount(positions[: rows.num_train], minlength=len(column.tokens))
    code_of, size = _rank(column.tokens, counts, min_count)
    codes = code_of[positions]
    return Encoded(codes, size, _count(code_of, counts, size))


def encode_numeric(
    column: pl.Series, rows: RowOrder, num_buckets: int, locate: Callable[[int], str]
) -> Encoded:
    """Buckets between train quantiles, then one for missing values if train has any.

    Raises:
        DataError: a value is text or infinite.
    """
    values = parse_numbers(column, locate)[rows.order]
    is_missing = np.isnan(values)
    train, train_missing = values[: rows.num_train], is_missing[: rows.num_train]
    edges = bucket_edges(train[~train_missing], num_buckets)
    filled = 0 if train_missing.all() else len(edges) + 1
    codes = (np.searchsorted(edges, values, side="right") + 1).astype(np.int32)
    if not filled:
        codes[:] = UNSEEN
    codes[is_missing] = filled + 1 if train_missing.any() else UNSEEN
    size = 1 + filled + bool(train_missing.any())
    return Encoded(codes, size, np.bincount(codes[: rows.num_train], minlength=size))


def encode_bag(column: Tokens, rows: RowOrder, feature: FeatureSpec) -> Encoded:
    """Codes of the first tokens of every bag; each distinct bag is split once."""
    positions = column.positions[rows.order]
    bag_counts = np.bincount(positions[: rows.num_train], minlength=len(column.tokens))
    words, word_counts = _count_words(column.tokens, bag_counts, feature)
    code_of, size = _rank(words, word_counts, feature.min_count)
    vocabulary = pl.Enum(words)
    code_or_unseen = np.append(code_of, np.int32(UNSEEN))  # the last one is for words not in train
    by_bag = np.full((feature.max_length, len(column.tokens)), PAD, dtype=np.int32)
    for start, bag, slot, word in _split_bags(column.tokens, feature):
        known = word.cast(vocabulary, strict=False).to_physical().fill_null(len(words)).to_numpy()
        by_bag[slot, start + bag] = code_or_unseen[known]
    return Encoded(by_bag.take(positions, axis=1), size, _count(code_of, word_counts, size))


def parse_numbers(column: pl.Series, locate: Callable[[int], str]) -> np.ndarray:
    """Numbers of a text column; missing values are NaN.

    Raises:
        DataError: a value is text or infinite.
    """
    present = column.is_not_null() & (column != MISSING)
    numbers = column.cast(pl.Float64, strict=False)
    wrong = present & (numbers.is_null() | numbers.is_infinite().fill_null(value=False))
    if wrong.any():
        row = int(wrong.arg_max() or 0)
        raise DataError(
            f"{locate(row)}: numeric column {column.name!r} holds {column[row]!r}; allowed is a"
            " finite number, or nothing for a missing value; correct the line or declare the"
            " column categorical"
        )
    return numbers.fill_null(float("nan")).to_numpy()


def bucket_edges(values: np.ndarray, num_buckets: int) -> np.ndarray:
    """Lower ends of all buckets but the first: train quantiles that leave no bucket empty."""
    if not len(values):
        return values
    ranks = np.arange(1, num_buckets) * len(values) // num_buckets
    edges = np.unique(np.partition(values, ranks)[ranks])
    return edges[edges > values.min()]


def _rank(tokens: pl.Series, counts: np.ndarray, min_count: int) -> tuple[np.ndarray, int]:
    """The code of every token, and the number of codes with code 0."""
    kept = np.flatnonzero(counts >= min_count)
    ranked = pl.DataFrame(
        {"token": tokens.gather(kept), "count": counts[kept], "position": kept}
    ).sort("count", "token", descending=[True, False])
    code_of = np.full(len(tokens), UNSEEN, dtype=np.int32)
    code_of[ranked["position"].to_numpy()] = np.arange(1, len(kept) + 1)
    return code_of, len(kept) + 1


def _count(code_of: np.ndarray, counts: np.ndarray, size: int) -> np.ndarray:
    return np.bincount(code_of, weights=counts, minlength=size).astype(np.int64)


def _split_bags(
    bags: pl.Series, feature: FeatureSpec
) -> Iterator[tuple[int, np.ndarray, np.ndarray, pl.Series]]:
    """In chunks: the chunk's first bag, and the bag, slot and word of every filled slot."""
    for start in range(0, len(bags), BAG_CHUNK):
        words = bags[start : start + BAG_CHUNK].str.split(feature.separator)
        words = words.list.eval(pl.element().filter(pl.element() != MISSING)).list.head(
            feature.max_length
        )
        lengths = words.list.len().to_numpy().astype(np.int64)
        bag = np.repeat(np.arange(len(words)), lengths)
        slot = np.arange(len(bag)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        yield start, bag, slot, words.filter(words.list.len() > 0).explode()


def _count_words(
    bags: pl.Series, bag_counts: np.ndarray, feature: FeatureSpec
) -> tuple[pl.Series, np.ndarray]:
    """The words of the bags that occur in train, and how often train shows them."""
    in_train = np.flatnonzero(bag_counts)
    train_bags, weights = bags.gather(in_train), bag_counts[in_train]
    parts = [
        pl.DataFrame({"word": word, "count": weights[start + bag]})
        .group_by("word")
        .agg(pl.col("count").sum())
        for start, bag, _, word in _split_bags(train_bags, feature)
    ]
    if not parts:
        return pl.Series([], dtype=pl.String), np.zeros(0, dtype=np.int64)
    totals = pl.concat(parts).group_by("word").agg(pl.col("count").sum())
    return totals["word"], totals["count"].to_numpy()
