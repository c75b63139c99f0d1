"""AUC within groups of rows, exact and vectorised, by one sort; its placements and influences.

Where the true click probability p of every row is known, it may stand for the label: a row counts p
as a click and 1 - p as none. The expected AUC is defined in every group of two rows and is free of
the noise of the labels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.metrics._entry import Floats, Ints, check_finite


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


def placements(label: ArrayLike, score: ArrayLike, group: ArrayLike | None = None) -> Floats:
    """(N,) for a click the share of its group's other rows below it, for those of clicks above.

    Ties count one half. Over the clicks of a group their mean is its AUC, and so is that over its
    other rows; nan in a group of one class. Without groups all rows are one. By one sort, as DeLong
    placements are found by Sun and Xu (2014).
    """
    is_click, score = np.asarray(label) == 1, np.asarray(score)
    shares = np.full(is_click.size, np.nan)
    if is_click.size == 0:
        return shares
    key = sort_key(score, np.zeros(shares.size, np.int64) if group is None else np.asarray(group))
    order = np.argsort(key)
    ties = ties_of(key[order], is_click[order].astype(np.int64))
    size = np.diff(ties.first, append=ties.start.size)  # ties of each group
    halves = []  # (T,) the share of the group's rows of a class below each tie
    with np.errstate(invalid="ignore"):  # 0 / 0 of a group of one class
        for counts in (ties.others, ties.clicks):
            in_group = np.repeat(np.add.reduceat(counts, ties.first), size)
            halves.append((ties.below(counts) + counts / 2.0) / in_group)
    below, above = halves[0], 1.0 - halves[1]
    tie = np.repeat(np.arange(ties.start.size), np.diff(ties.start, append=order.size))  # (N,)
    shares[order] = np.where(is_click[order], below[tie], above[tie])
    return shares


def mean_influences(
    label: ArrayLike, score: ArrayLike, group: ArrayLike, stratum: ArrayLike
) -> Floats:
    """(N,) what each row adds to the error of its stratum's mean AUC of groups, to first order.

    The mean is weighted by rows over the groups of both classes, as GAUC is; each group lies in one
    stratum. A row moves the AUC of its group by its placement (DeLong et al., 1988), and its
    group's weight in the mean. The sum of squares estimates the variance over independent rows, the
    squares of sums by cluster that over independent clusters. As in DeLong's, placements around the
    mean of n of them are scaled by the root of n / (n - 1). A row that is alone in its group and
    class tells nothing about its own spread; it is taken around the mean of its stratum, in place
    of what its group's weight adds, which makes the variance too large rather than too small.
    """
    shares = placements(label, score, group)
    added, kept = np.zeros(shares.size), ~np.isnan(shares)
    if not kept.any():
        return added
    label, group, stratum = (np.asarray(values)[kept] for values in (label, group, stratum))
    shares = shares[kept]
    rows, clicks = np.bincount(group), np.bincount(group[label == 1], minlength=group.max() + 1)
    won = np.bincount(group, np.where(label == 1, shares, 0.0))
    auc = won[group] / clicks[group]  # of the row's group
    in_stratum = np.bincount(stratum)[stratum]
    mean = np.bincount(stratum, auc)[stratum] / in_stratum
    own = np.where(label == 1, clicks[group], rows[group] - clicks[group])  # rows of its class
    is_alone = own == 1
    scale = np.sqrt(own / np.maximum(own - 1, 1))
    of_auc = rows[group] * scale * (shares - np.where(is_alone, mean, auc)) / own
    has_lone = np.minimum(clicks, rows - clicks)[group] == 1
    added[kept] = (of_auc + np.where(has_lone, 0.0, auc - mean)) / in_stratum
    return added
