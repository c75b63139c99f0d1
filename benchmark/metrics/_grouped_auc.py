"""AUC within groups of rows, exact and vectorised; its placements and influences.

Pairs of labelled rows are counted block by block, in memory that does not grow with the rows.

Where the true click probability p of every row is known, it may stand for the label: a row counts p
as a click and 1 - p as none. The expected AUC is defined in every group of two rows and is free of
the noise of the labels. It is found by one sort of all rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.metrics._entry import Floats, Ints, check_finite, slices

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK_ROWS = 1 << 24  # of a class in memory at once, 8 bytes a row; those searched for take 24
GROUP_BITS = np.uint64(32)


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


def ties_of(key: NDArray[np.uint64], click: NDArray[np.generic]) -> Ties:
    """The ties of rows in the order of their `sort_key`."""
    start = _starts(key)
    group = (key[start] >> GROUP_BITS).astype(np.int64)
    first = _starts(group)
    kind = np.float64 if click.dtype.kind == "f" else np.int64
    clicks = np.add.reduceat(click, start, dtype=kind)
    if click.dtype.kind == "f":
        others = np.add.reduceat(1.0 - click.astype(np.float64, copy=False), start)
    else:
        others = np.diff(start, append=click.size) - clicks
    return Ties(start=start, first=first, group=group[first], clicks=clicks, others=others)


def group_scores(click: ArrayLike, score: ArrayLike, group: ArrayLike) -> GroupScores:
    """AUC within each group; ties count one half (mid-ranks).

    Equation: sum of p_i (1 - p_j) over the ordered pairs i, j of different rows with s_i > s_j, and
        half of it where s_i = s_j, over the sum of p_i (1 - p_j) of all such pairs.

    Memory grows with the largest id. That of labels grows with the rows up to `BLOCK_ROWS` of each
    class and no further; that of probabilities and of scores in float64 grows with all rows. Pairs
    are counted in int64, which holds twice those of 2^32 rows.

    Args:
        click: (N,) labels in {0, 1}, or as floats true click probabilities p in [0, 1].
        score: (N,) finite scores; float32 scores are fastest.
        group: (N,) ids in [0, 2^31).

    Raises:
        LogitError: a score is nan or infinite.
    """
    click, score, group = np.asarray(click), np.asarray(score), np.asarray(group)
    check_finite(score)
    if score.size == 0:
        none = np.empty(0, np.int64)
        return GroupScores(none, none, none, np.empty(0))
    rows = _Rows(click, _ranked(score), group)
    return _expected_scores(rows) if click.dtype.kind == "f" else _counted_scores(rows)


def group_counts(label: NDArray[np.generic], group: NDArray[np.integer]) -> tuple[Ints, Ints]:
    """(G,) the rows, and the clicks among them, of the groups 0 to the largest of N rows (N,)."""
    size = int(group.max(initial=-1)) + 1
    rows, clicks = np.zeros(size, np.int64), np.zeros(size, np.int64)
    for part in slices(group.size):
        rows += np.bincount(group[part], minlength=size)
        clicks += np.bincount(group[part][label[part] == 1], minlength=size)
    return rows, clicks


@dataclass(frozen=True, slots=True)
class _Rows:
    """N rows, N > 0: labels or probabilities, scores in float32 or their ranks, and groups."""

    click: NDArray[np.generic]
    score: NDArray[np.generic]
    group: NDArray[np.integer]

    def key_blocks(self, label: int) -> Iterator[NDArray[np.uint64]]:
        """The sorted keys of the rows of a class, block by block.

        All blocks lie in one array: each is valid until the next is asked for.
        """
        step = max(1, BLOCK_ROWS // 64)
        block, end = np.empty(min(self.click.size, BLOCK_ROWS + step), np.uint64), 0
        for rows in slices(self.click.size, step):
            kept = self.click[rows] == label
            keys = sort_key(self.score[rows][kept], self.group[rows][kept])
            block[end : end + keys.size] = keys
            end += keys.size
            if end >= BLOCK_ROWS or (end and rows.stop == self.click.size):
                block[:end].sort()
                yield block[:end]
                end = 0


def _counted_scores(rows: _Rows) -> GroupScores:
    """The scores of labels: rows of the rarer class are looked up among those of the other."""
    impressions, clicks = group_counts(rows.click, rows.group)
    pairs = clicks * (impressions - clicks)
    rarer = int(2 * clicks.sum() <= rows.click.size)
    doubled = _doubled_wins(rows, rarer, clicks.size)
    if rarer == 0:
        doubled = 2 * pairs - doubled
    found = np.flatnonzero(impressions)
    auc = np.full(found.size, np.nan)
    np.divide(doubled[found] / 2, pairs[found], out=auc, where=pairs[found] > 0)
    return GroupScores(found, impressions[found], clicks[found], auc)


def _doubled_wins(rows: _Rows, label: int, size: int) -> Ints:
    """(size,) of each group the pairs that its rows of a class win, twice; ties count 1.

    Any part of a class against any part of the other adds its own pairs: blocks may cut groups.
    """
    doubled = np.zeros(size, np.int64)
    for own in rows.key_blocks(label):
        start = _starts(own >> GROUP_BITS)
        group = own[start] >> GROUP_BITS
        num_rows = np.diff(start, append=own.size)
        for other in rows.key_blocks(1 - label):
            below = np.searchsorted(other, own)
            below += np.searchsorted(other, own, "right")
            in_lower_groups = np.searchsorted(other, group << GROUP_BITS)
            doubled[group] += np.add.reduceat(below, start) - 2 * num_rows * in_lower_groups
    return doubled


def _expected_scores(rows: _Rows) -> GroupScores:
    """The scores of probabilities, by one sort."""
    key = sort_key(rows.score, rows.group)
    order = np.argsort(key)
    key, click = key[order], rows.click[order].astype(np.float64)
    ties = ties_of(key, click)
    start = ties.start[ties.first]  # (G,) the first row of each group
    impressions = np.diff(start, append=key.size)
    doubled = ties.clicks * (2 * ties.below(ties.others) + ties.others)
    clicks, itself = np.add.reduceat(click, start), np.add.reduceat(click * (1.0 - click), start)
    wins = np.add.reduceat(doubled, ties.first) / 2 - itself / 2  # a tie with itself is no pair
    pairs = clicks * np.add.reduceat(1.0 - click, start) - itself
    auc = np.full(pairs.size, np.nan)
    np.divide(wins, pairs, out=auc, where=(impressions > 1) & (pairs > 0))
    return GroupScores(ties.group, impressions, clicks, auc)


def sort_key(score: NDArray[np.generic], group: NDArray[np.integer]) -> NDArray[np.uint64]:
    """Pack groups (31 bits) and finite scores or their ranks (32) into integers of that order."""
    key: NDArray[np.uint64] = group.astype(np.uint64)
    key <<= GROUP_BITS
    key |= _ordered_bits(score)
    return key


def _ordered_bits(score: NDArray[np.generic]) -> NDArray[np.uint32]:
    """32-bit integers in the order of the scores, equal exactly where the scores are equal."""
    if score.dtype != np.float32:
        return score.astype(np.uint32, copy=False)  # ranks
    zero = np.float32(0.0)  # adding it turns -0.0 into 0.0
    bits = (score.astype(np.float32, copy=False) + zero).view(np.uint32)
    negative = (bits >> np.uint32(31)).astype(bool)
    ordered: NDArray[np.uint32] = np.where(negative, ~bits, bits | np.uint32(1 << 31))
    return ordered


def _ranked(score: NDArray[np.generic]) -> NDArray[np.generic]:
    """Scores in float32 as they are; others as ranks (N,), equal exactly where they are equal."""
    if score.dtype == np.float32:
        return score
    rank: NDArray[np.generic] = np.unique(score, return_inverse=True)[1].astype(np.uint32)
    return rank


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
    check_finite(score)
    group = np.broadcast_to(0, shares.size) if group is None else np.asarray(group)
    key = sort_key(_ranked(score), group)
    order = np.argsort(key)
    key, is_click = key[order], is_click[order]
    ties = ties_of(key, is_click)
    del key  # of eight bytes a row
    size = np.diff(ties.first, append=ties.start.size)  # ties of each group
    tie = np.repeat(np.arange(ties.start.size), np.diff(ties.start, append=order.size))  # (N,)
    with np.errstate(invalid="ignore"):  # 0 / 0 of a group of one class
        for counts, is_own in ((ties.others, is_click), (ties.clicks, ~is_click)):
            in_group = np.repeat(np.add.reduceat(counts, ties.first), size)
            below = (ties.below(counts) + counts / 2.0) / in_group  # (T,), of the other class
            shares[order[is_own]] = below[tie[is_own]]
    np.subtract(1.0, shares, out=shares, where=np.asarray(label) != 1)  # above those of clicks
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
    added = placements(label, score, group)
    is_kept = ~np.isnan(added)
    label, group, stratum = (np.asarray(values)[is_kept] for values in (label, group, stratum))
    added[is_kept] = _influences_of(added[is_kept], label == 1, group, stratum)
    added[~is_kept] = 0.0
    return added


def _influences_of(
    shares: Floats,
    is_click: NDArray[np.bool_],
    group: NDArray[np.integer],
    stratum: NDArray[np.integer],
) -> Floats:
    """The influences (N,) of rows of groups of both classes, written over their `shares`.

    But for its placement, the influence of a row follows from its class and group: (2, G) values.
    """
    rows, clicks = np.bincount(group), np.bincount(group, is_click)
    size = rows.size
    stratum_of = np.zeros(size, np.int64)
    stratum_of[group] = stratum
    in_stratum = np.bincount(stratum)[stratum_of]
    with np.errstate(invalid="ignore"):  # 0 / 0 of ids without rows
        auc = np.bincount(group, np.where(is_click, shares, 0.0)) / clicks
        mean = np.bincount(stratum, auc[group])[stratum_of] / in_stratum
    own = np.stack([rows - clicks, clicks])  # rows of the class
    scale = np.sqrt(own / np.maximum(own - 1, 1))
    place = group + size * is_click  # (N,), in the flattened (2, G)
    shares -= np.where(own == 1, mean, auc).ravel()[place]
    shares *= (rows * scale).ravel()[place]
    shares /= own.ravel()[place]
    has_lone = np.minimum(clicks, rows - clicks) == 1
    shares += np.where(has_lone, 0.0, auc - mean)[group]
    shares /= in_stratum[group]
    return shares
