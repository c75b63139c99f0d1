"""Codes of feature values, fitted on train rows only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from datasets.encoding.codes import BagCodes, NumberCodes, TokenCodes, first_words, numbers_of
from datasets.encoding.tokens import Numbering, tokenize

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from datasets.encoding.codes import Codes
    from datasets.encoding.splits import RowOrder
    from datasets.encoding.tokens import Tokens
    from datasets.spec import FeatureSpec

PART_ROWS = 1 << 20  # rows that are encoded at a time


@dataclass(frozen=True, slots=True)
class Encoded:
    """One encoded feature; its codes come block by block, and only once.

    Blocks that have been read hold no memory.
    """

    fitted: Codes
    frequencies: np.ndarray  # (size,) int64 train occurrences of each code
    blocks: Iterator[np.ndarray]  # (n,) int32 in prepared order; of a bag (M, n) in raw order


def encode_categorical(column: Tokens, rows: RowOrder, min_count: int) -> Encoded:
    """Codes by falling train count, then by token."""
    counts = np.zeros(len(column.tokens), dtype=np.int64)
    for part in _parts(rows.order[: rows.num_train]):
        counts += np.bincount(column.positions[part], minlength=len(counts))
    fitted = _rank(column.tokens, counts, min_count)
    code_of = fitted.of(column.tokens)
    blocks = (code_of[column.positions[part]] for part in _parts(rows.order))
    return Encoded(fitted, _count(code_of, counts, fitted.size), blocks)


def encode_numeric(
    column: Iterable[pl.Series], rows: RowOrder, num_buckets: int, locate: Callable[[int], str]
) -> Encoded:
    """Buckets between train quantiles, then one for missing values if train has any.

    Raises:
        DataError: a value is text or infinite.
    """
    values = _numbers(column, rows.num_raw, locate)
    train = np.empty(rows.num_train)
    for part, own in zip(_parts(rows.order), _parts(train), strict=False):
        own[:] = values[part[: len(own)]]
    has_missing = bool(np.isnan(train).any())
    known = train[~np.isnan(train)] if has_missing else train
    has_known = bool(len(known))
    fitted = NumberCodes(bucket_edges(known, num_buckets), has_known, has_missing)
    del train, known
    frequencies = np.zeros(fitted.size, dtype=np.int64)
    for part in _parts(rows.order[: rows.num_train]):
        frequencies += np.bincount(fitted.of(values[part]), minlength=fitted.size)
    return Encoded(fitted, frequencies, (fitted.of(values[part]) for part in _parts(rows.order)))


def encode_bag(
    column: Callable[[], Iterable[pl.Series]], is_train: np.ndarray, feature: FeatureSpec
) -> Encoded:
    """Codes of the first tokens of every bag.

    `column` gives the blocks anew at each call, `is_train` (rows,) says which raw rows are train's.
    """
    words, counts = _count_words(column(), is_train, feature)
    fitted = BagCodes(feature, _rank(words, counts, feature.min_count))
    frequencies = _count(fitted.words.of(words), counts, fitted.size)
    return Encoded(fitted, frequencies, (fitted.of(block) for block in column()))


def bucket_edges(values: np.ndarray, num_buckets: int) -> np.ndarray:
    """Lower ends of all buckets but the first: train quantiles that leave no bucket empty.

    Where quantiles coincide, the commonest value has a bucket of its own, and the values below and
    above it share the others by their rows, in the same way. So there are `num_buckets` buckets, or
    one for every value if these are fewer. `values` may be left in another order.
    """
    if not len(values):
        return values
    ranks = np.arange(1, num_buckets) * len(values) // num_buckets
    values.partition(ranks)
    edges = np.unique(values[ranks])
    edges = edges[edges > values.min()]
    return edges if len(edges) == num_buckets - 1 else _edges_of_repeated(values, num_buckets)


def _edges_of_repeated(values: np.ndarray, num_buckets: int) -> np.ndarray:
    """The edges of values of which quantiles coincide."""
    values.sort()
    starts = np.append(0, np.flatnonzero(values[1:] != values[:-1]) + 1)  # of runs of equal values
    if len(starts) <= num_buckets:
        return values[starts[1:]]
    lengths = np.diff(starts, append=len(values))
    place = int(np.argmax(lengths))
    commonest = values[starts[place]]
    below, above = values[: starts[place]], values[starts[place] + lengths[place] :]
    others, num_above = num_buckets - 1, len(starts) - 1 - place  # buckets, and values above
    share = round(others * len(below) / (len(below) + len(above)))
    least = max(int(place > 0), others - num_above)
    most = min(place, others - int(num_above > 0))
    share = min(max(share, least), most)
    own = [commonest] * (place > 0) + [np.nextafter(commonest, np.inf)] * (num_above > 0)
    return np.concatenate([bucket_edges(below, share), own, bucket_edges(above, others - share)])


def _rank(tokens: pl.Series, counts: np.ndarray, min_count: int) -> TokenCodes:
    """The codes of the tokens that are frequent enough."""
    kept = np.flatnonzero(counts >= min_count)
    ranked = pl.DataFrame({"token": tokens.gather(kept), "count": counts[kept]})
    return TokenCodes(ranked.sort("count", "token", descending=[True, False])["token"])


def _count(code_of: np.ndarray, counts: np.ndarray, size: int) -> np.ndarray:
    return np.bincount(code_of, weights=counts, minlength=size).astype(np.int64)


def _count_words(
    blocks: Iterable[pl.Series], is_train: np.ndarray, feature: FeatureSpec
) -> tuple[pl.Series, np.ndarray]:
    """The words of the bags of train, and how often it shows them."""
    numbering, counts, start = Numbering(), np.zeros(0, dtype=np.int64), 0
    for block in blocks:
        own = block.filter(is_train[start : start + len(block)])
        start += len(block)
        bags = tokenize([own], len(own))
        bag, _, words = first_words(bags.tokens, feature)
        times = np.bincount(bags.positions, minlength=len(bags.tokens))[bag]
        numbers = numbering.of(words)
        known, counts = counts, np.bincount(numbers, times, numbering.size).astype(np.int64)
        counts[: len(known)] += known
    return numbering.texts(), counts


def _numbers(
    column: Iterable[pl.Series], num_rows: int, locate: Callable[[int], str]
) -> np.ndarray:
    """All numbers of a text column; missing values are NaN.

    Raises:
        DataError: a value is text or infinite.
    """
    found, start = np.empty(num_rows), 0
    for block in column:
        found[start : start + len(block)] = numbers_of(block, locate, start)
        start += len(block)
    return found


def _parts(order: np.ndarray) -> Iterator[np.ndarray]:
    """An array in pieces of a bounded size."""
    for start in range(0, len(order), PART_ROWS):
        yield order[start : start + PART_ROWS]
