"""What each row adds to the error of mean AUCs, in many groups at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from numpy.typing import NDArray


def placements_within(
    label: NDArray[np.integer], score: NDArray[np.floating], group: NDArray[np.integer]
) -> NDArray[np.float64]:
    """(N,) for a click the share of its group's other rows below it, for those of clicks above.

    Ties count one half. As `delong.placements`, group by group; nan in groups of one class.
    """
    shares = np.full(label.size, np.nan)
    if label.size == 0:
        return shares
    order = np.lexsort((score, group))
    is_new = (np.diff(group[order]) != 0) | (np.diff(score[order]) != 0)
    key = np.empty(label.size, np.int64)
    key[order] = np.concatenate(([0], np.cumsum(is_new)))
    ranks = _ranks_within(key, group)
    for kind in (0, 1):
        own = label == kind
        others = np.bincount(group[~own], minlength=group.max() + 1)[group[own]]
        below = ranks[own] - _ranks_within(key[own], group[own])
        share = np.divide(below, others, out=np.full(others.size, np.nan), where=others > 0)
        shares[own] = share if kind else 1.0 - share
    return shares


def influences(
    label: NDArray[np.integer],
    score: NDArray[np.floating],
    group: NDArray[np.integer],
    stratum: NDArray[np.integer],
) -> NDArray[np.float64]:
    """(N,) what each row adds to the error of its stratum's mean AUC of groups, to first order.

    The mean is weighted by rows over the groups of both classes, as GAUC is, with these weights
    taken as given; each group lies in one stratum. The sum of squares estimates the variance. As
    in DeLong's, those around the mean of n placements are scaled by n / (n - 1). A row that is
    alone in its group and class tells nothing about its own spread; it is taken around the mean of
    its stratum, which makes the variance too large rather than too small.
    """
    shares = placements_within(label, score, group)
    added, kept = np.zeros(label.size), ~np.isnan(shares)
    if not kept.any():
        return added
    label, group, stratum, shares = label[kept], group[kept], stratum[kept], shares[kept]
    rows, clicks = np.bincount(group), np.bincount(group[label == 1], minlength=group.max() + 1)
    won = np.bincount(group, np.where(label == 1, shares, 0.0))
    auc = won[group] / clicks[group]  # of the row's group
    weight = rows[group] / np.bincount(stratum)[stratum]
    mean = (np.bincount(stratum, auc) / np.maximum(np.bincount(stratum), 1))[stratum]
    own = np.where(label == 1, clicks[group], rows[group] - clicks[group])  # rows of its class
    is_alone = own == 1
    scale = np.sqrt(own / np.maximum(own - 1, 1))
    added[kept] = weight * scale * (shares - np.where(is_alone, mean, auc)) / own
    return added


def _ranks_within(key: NDArray[np.int64], group: NDArray[np.integer]) -> NDArray[np.float64]:
    """Mid-ranks from 1 in each group, keys being ordered by group."""
    counts = np.bincount(group)
    ranks: NDArray[np.float64] = stats.rankdata(key)
    return ranks - (np.cumsum(counts) - counts)[group]
