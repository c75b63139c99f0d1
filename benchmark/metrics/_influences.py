"""Placements of the rows of each class among those of the other, and influences on mean AUCs."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from benchmark.metrics._entry import Floats
from benchmark.metrics._grouped_auc import sort_key, ties_of


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
