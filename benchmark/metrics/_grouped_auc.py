"""AUC within groups of rows, exact and vectorised, by one sort.

Where the true click probability p of every row is known, it may stand for the label: a row counts p
as a click and 1 - p as none. The expected AUC is defined in every group of two rows and is free of
the noise of the labels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.metrics._entry import Floats, Ints
from benchmark.metrics._logits import check_finite


@dataclass(frozen=True, slots=True)
class GroupScores:
    """One entry per group that occurs: id, impressions, clicks and AUC (nan if one class).

    Expected scores hold the expected clicks, and nan for a group of one row.
    """

    group: Ints  # (G,)
    impressions: Ints  # (G,)
    clicks: Ints | Floats  # (G,)
    auc: Floats  # (G,)

    @property
    def is_defined(self) -> NDArray[np.bool_]:
        """Groups with both classes."""
        return ~np.isnan(self.auc)

    def weighted_auc(self) -> float:
        """GAUC: the impression-weighted mean over groups with both classes; nan if none has."""
        kept = self.is_defined
        return (
            float(np.average(self.auc[kept], weights=self.impressions[kept]))
            if kept.any()
            else np.nan
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ties:
    """Rows by group, then by score, in T ties: the rows of one of G groups with one score.

    `clicks` and `others` count the rows of each tie by class, or add up their probabilities.
    """

    start: Ints  # (T,) the first row of each tie
    first: Ints  # (G,) the first tie of each group
    group: Ints  # (G,) ids
    clicks: Ints | Floats  # (T,)
    others: Ints | Floats  # (T,)

    def below(self, counts: Ints | Floats) -> Ints | Floats:
        """(T,) the sum of the counts (T,) of the ties of the group with a lower score.

        One running sum over all groups would lose the last digits of a small group behind large
        ones; so one of probabilities falls back to about 0 before each group.
        """
        size = np.diff(self.first, append=counts.size)
        if counts.dtype.kind != "f":
            before = (np.cumsum(counts) - counts).astype(np.int64, copy=False)
            return before - np.repeat(before[self.first], size)
        falls = np.concatenate(([0.0], -np.add.reduceat(counts, self.first)[:-1]))
        running = np.cumsum(np.insert(counts, self.first, falls))
        number = np.repeat(np.arange(self.first.size), size)
        base = running[self.first + np.arange(self.first.size)]
        sums: Floats = running[np.arange(counts.size) + number] - base[number]
        return sums


def ties_of(key: NDArray[np.uint64], click: Ints | Floats) -> Ties:
    """The ties of rows in the order of their `sort_key`."""
    start = _starts(key)
    group = (key[start] >> np.uint64(32)).astype(np.int64)
    first = _starts(group)
    clicks = np.add.reduceat(click, start)
    if click.dtype.kind == "f":
        others = np.add.reduceat(1.0 - click, start)
    else:
        others = np.diff(start, append=click.size) - clicks
    return Ties(start=start, first=first, group=group[first], clicks=clicks, others=others)


def group_scores(click: ArrayLike, score: ArrayLike, group: ArrayLike) -> GroupScores:
    """AUC within each group by one sort; ties count one half (mid-ranks).

    Equation: sum of p_i (1 - p_j) over the ordered pairs i, j of different rows with s_i > s_j, and
        half of it where s_i = s_j, over the sum of p_i (1 - p_j) of all such pairs.

    Args:
        click: (N,) labels in {0, 1}, or as floats true click probabilities p in [0, 1].
        score: (N,) finite scores; float32 scores are fastest.
        group: (N,) ids in [0, 2^31).

    Raises:
        LogitError: a score is nan or infinite.
    """
    click = np.asarray(click)
    key = sort_key(np.asarray(score), np.asarray(group))
    if key.size == 0:
        none = np.empty(0, np.int64)
        return GroupScores(none, none, none, np.empty(0))
    if click.dtype.kind == "f":
        order = np.argsort(key)
        key, click = key[order], click[order].astype(np.float64)
    else:  # to sort numbers that hold the label is faster than to find an order
        key = np.sort(key << np.uint64(1) | click.astype(np.uint64))
        key, click = key >> np.uint64(1), (key & np.uint64(1)).astype(np.int64)
    ties = ties_of(key, click)
    start = ties.start[ties.first]  # (G,) the first row of each group
    doubled = ties.clicks * (2 * ties.below(ties.others) + ties.others)
    wins = np.add.reduceat(doubled, ties.first) / 2
    clicks, impressions = np.add.reduceat(click, start), np.diff(start, append=key.size)
    if click.dtype.kind == "f":
        itself = np.add.reduceat(click * (1.0 - click), start)  # a tie with itself is no pair
        wins, pairs = wins - itself / 2, clicks * np.add.reduceat(1.0 - click, start) - itself
    else:
        pairs = clicks * (impressions - clicks)
    auc = np.full(pairs.size, np.nan)
    np.divide(wins, pairs, out=auc, where=(impressions > 1) & (pairs > 0))
    return GroupScores(ties.group, impressions, clicks, auc)


def sort_key(score: NDArray[np.generic], group: NDArray[np.generic]) -> NDArray[np.uint64]:
    """Pack group (31 bits) and score (32) into one integer that sorts in that order.

    Raises:
        LogitError: a score is nan or infinite.
    """
    check_finite(score)
    packed: NDArray[np.uint64] = group.astype(np.uint64) << np.uint64(32)
    return packed | _ordered_bits(score).astype(np.uint64)


def _ordered_bits(score: NDArray[np.generic]) -> NDArray[np.uint32]:
    """32-bit integers in the order of the scores, equal exactly where the scores are equal."""
    if score.dtype != np.float32:
        rank: NDArray[np.uint32] = np.unique(score, return_inverse=True)[1].astype(np.uint32)
        return rank
    bits = (score.astype(np.float32) + np.float32(0.0)).view(
        np.uint32
    )  # adding 0 turns -0.0 into 0.0
    negative = (bits >> np.uint32(31)).astype(bool)
    ordered: NDArray[np.uint32] = np.where(negative, ~bits, bits | np.uint32(1 << 31))
    return ordered


def _starts(values: NDArray[np.integer]) -> Ints:
    """Positions at which a sorted array takes a new value."""
    return np.concatenate(([0], np.flatnonzero(values[1:] != values[:-1]) + 1))
