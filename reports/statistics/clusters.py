"""Test rows that belong together, and the variance that their choice gives a mean over seeds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from reports.statistics.estimates import UNKNOWN, Component
from reports.statistics.kept import kept


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """N rows in C cells, a cell being the rows that agree in each of several ways to group them.

    `cell` is (N,) of each row, `groupings` are (C,) of each cell: its time block, and its user
    where that is known.
    """

    cell: NDArray[np.int32]
    groupings: tuple[NDArray[np.integer], ...]

    def sums(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The sums (C,) of values (N,) by cell."""
        return np.bincount(self.cell, values, self.groupings[0].size).astype(np.float64)


def jackknife(
    of_rows: Callable[..., float], clusters: Clusters, *rows: NDArray[np.generic]
) -> NDArray[np.float64]:
    """The part (C,) of a statistic that each cell adds: it less its value without the cell.

    Scaled by the share of rows that are left, so that of a mean they are the sums of the rows'
    influences. The statistic is computed once a cell; one that is undefined without a cell makes
    what that adds undefined.

    Args:
        of_rows: the statistic of arrays of rows.
        clusters: the cells of these rows.
        rows: arrays (N,) that the statistic takes.
    """
    whole, sizes = of_rows(*rows), clusters.sums(np.ones(clusters.cell.size))
    without = [
        of_rows(*(values[clusters.cell != cell] for values in rows)) for cell in range(sizes.size)
    ]
    return (whole - np.array(without)) * (1.0 - sizes / sizes.sum())


def _clusters_of(*groupings: NDArray[np.integer]) -> Clusters:
    """The clusters of N < 2^31 rows, given (N,) per way to group them; of equal rows found once."""
    key = np.zeros(groupings[0].size, np.int64)
    for grouping in groupings:
        code = np.unique(grouping, return_inverse=True)[1]
        key *= int(code.max(initial=0)) + 1
        key += code
        del code
    _, first, cell = np.unique(key, return_index=True, return_inverse=True)
    return Clusters(cell.astype(np.int32), tuple(grouping[first] for grouping in groupings))


def _digests(*groupings: NDArray[np.integer]) -> tuple[bytes, ...]:
    """The digests of arrays, which tell them apart."""
    return tuple(
        blake2b(np.ascontiguousarray(grouping).data, digest_size=16).digest()
        for grouping in groupings
    )


clusters_of = kept(_clusters_of, key=_digests)


def rows_component(
    sums: NDArray[np.float64],
    block: NDArray[np.integer] | None,
    user: NDArray[np.integer] | None = None,
) -> Component:
    """The variance of a mean over S seeds that all of them share, the choice of the test rows.

    The covariance of two seeds is the sum over clusters of the products of their sums of
    influences, times G / (G - 1) for G clusters; the shared variance is its mean over the pairs of
    different seeds. To blocks of time half the products of neighbouring ones are added where they
    make it larger (Bartlett's weights; Newey and West, 1987), as what drifts is not cut off at the
    end of a block. Of blocks and users it is the sum of both less that of their cells, as rows of
    one cell are in both (Cameron, Gelbach and Miller, JBES 29, 2011), and never less than either.

    Noise of single seeds is left out: their spread holds it. Where the estimate is not
    positive, the variance of the seeds' mean stands for it, which holds that part a second time.
    Degrees of freedom are those of the fewest clusters. It is unknown of fewer than two clusters
    and where it is 0, which is no certainty.

    Args:
        sums: (S, C) of influences on the S values by cell, S >= 2.
        block: (C,) the time block of each cell; None where time plays no part.
        user: (C,) what else clusters the cells, such as the user; None where it is not known.
    """
    least = min(np.unique(grouping).size for grouping in (block, user) if grouping is not None)
    if least < 2:
        return UNKNOWN
    num_seeds = len(sums)
    variance = _variance(
        sums, block, user, lambda c: (c.sum() - np.trace(c)) / (num_seeds * (num_seeds - 1))
    )
    if not variance > 0.0:
        variance = _variance(sums, block, user, np.mean)
    return Component(variance, least - 1) if variance > 0.0 else UNKNOWN


def _variance(
    sums: NDArray[np.float64],
    block: NDArray[np.integer] | None,
    user: NDArray[np.integer] | None,
    of: Callable[[NDArray[np.float64]], float],
) -> float:
    """The variance over blocks, users, or both, `of` an (S, S) covariance of the seeds."""
    of_block = 0.0
    if block is not None:
        by_block, factor = _by_cluster(sums, block)
        ahead = by_block[:, :-1] @ by_block[:, 1:].T
        of_block = factor * (of(by_block @ by_block.T) + max(of((ahead + ahead.T) / 2.0), 0.0))
    if user is None:
        return float(of_block)
    by_user, factor = _by_cluster(sums, user)
    of_user = factor * of(by_user @ by_user.T)
    if block is None:
        return float(of_user)
    num_cells = sums.shape[1]
    of_cell = num_cells / (num_cells - 1) * of(sums @ sums.T)
    return float(max(of_block, of_user, of_block + of_user - of_cell))


def _by_cluster(
    sums: NDArray[np.float64], cluster: NDArray[np.integer]
) -> tuple[NDArray[np.float64], float]:
    """The sums (S, G) by cluster, in order, and G / (G - 1)."""
    code = np.unique(cluster, return_inverse=True)[1]
    num = int(code.max()) + 1
    return np.array([np.bincount(code, values, num) for values in sums]), num / (num - 1)
