"""Which test rows belong together, and what a mean over seeds owes to their choice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reports.estimates import UNKNOWN, Component

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """N rows in C cells, a cell being the rows that agree in each of several ways to group them.

    `cell` is (N,) of each row, `groupings` are (C,) of each cell: its time block, and its user
    where that is known.
    """

    cell: NDArray[np.intp]
    groupings: tuple[NDArray[np.integer], ...]

    def sums(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """(C,) of values (N,) by cell."""
        return np.bincount(self.cell, values, self.groupings[0].size).astype(np.float64)


def clusters_of(*groupings: NDArray[np.integer]) -> Clusters:
    """The clusters of rows, given (N,) per way to group them."""
    codes = [np.unique(grouping, return_inverse=True)[1] for grouping in groupings]
    key = np.zeros(codes[0].size, np.int64)
    for code in codes:
        key = key * (int(code.max(initial=0)) + 1) + code
    _, first, cell = np.unique(key, return_index=True, return_inverse=True)
    return Clusters(cell, tuple(grouping[first] for grouping in groupings))


def rows_component(
    sums: NDArray[np.float64], groupings: Sequence[NDArray[np.integer]]
) -> Component:
    """The variance of a mean over S seeds that all of them share, the choice of the test rows.

    The covariance of two seeds is the sum over clusters of the products of their sums of
    influences, times G / (G - 1) for G clusters; the shared variance is its mean over the pairs of
    different seeds. Of two ways to cluster it is the sum of both less that of their cells, as
    rows of one cell are in both (Cameron, Gelbach and Miller, 2011, equation 2.13), and never less
    than either. What is only in single seeds is left out: their spread holds it. Where the
    estimate is not positive, the variance of the seeds' mean stands for it, which holds that part a
    second time. Degrees of freedom are those of the fewest clusters. It is unknown of fewer than
    two clusters and where it is 0, which is no certainty.

    Args:
        sums: (S, C) of influences on the S values by cell, S >= 2.
        groupings: (C,) the cluster of each cell, one or two ways.
    """
    sizes = [np.unique(grouping).size for grouping in groupings]
    if min(sizes) < 2:
        return UNKNOWN
    cells = [np.arange(sums.shape[1])] if len(groupings) > 1 else []
    ways = [*groupings, *cells]
    covariances = [_covariance(sums, way) for way in ways]
    num_seeds = len(sums)
    shared = _combined(
        [(c.sum() - np.trace(c)) / (num_seeds * (num_seeds - 1)) for c in covariances]
    )
    variance = shared if shared > 0.0 else _combined([c.mean() for c in covariances])
    return Component(variance, min(sizes) - 1) if variance > 0.0 else UNKNOWN


def _covariance(sums: NDArray[np.float64], cluster: NDArray[np.integer]) -> NDArray[np.float64]:
    """(S, S) of the S values, rows of one cluster being together."""
    code = np.unique(cluster, return_inverse=True)[1]
    num = int(code.max()) + 1
    by_cluster = np.array([np.bincount(code, values, num) for values in sums])  # (S, G)
    return by_cluster @ by_cluster.T * (num / (num - 1))


def _combined(variances: Sequence[float]) -> float:
    """Of one way to cluster as it is; of two, with that of their cells last."""
    if len(variances) == 1:
        return float(variances[0])
    first, second, cells = variances
    return float(max(first, second, first + second - cells))
