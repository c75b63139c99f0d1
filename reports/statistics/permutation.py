"""A permutation test of whether masks follow a similarity: other values get each other's masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

DRAWS = 999
DRAW_SEED = 0
STEPS = 500  # per unit of overlap, to which overlaps are rounded: ranks then need no sorting
TOLERANCE = 1e-9  # statistics that differ by less are equal


class Ranking(NamedTuple):
    """The neurons of one layer of one run: domain d prunes the `num_pruned[d]` of lowest score."""

    score: NDArray[np.float32]  # (D, N)
    num_pruned: NDArray[np.intp]  # (D,)

    def pruned(self) -> NDArray[np.bool_]:
        """The pruned neurons (D, N)."""
        return _lowest(self.score, self.num_pruned)


class Pairs:
    """All pairs of domains, in strata of how many domain column values the two share.

    `first` and `second` are (P,), and so is `shared`.
    """

    def __init__(self, values: NDArray[np.intp], similarity: NDArray[np.floating]) -> None:
        """Take the values (D, K) of the domain columns and a similarity (D, D)."""
        self.first, self.second = np.triu_indices(len(values), 1)
        self.shared = (values[self.first] == values[self.second]).sum(axis=1)
        self.similarity = np.asarray(similarity, np.float64)[self.first, self.second]
        self.strata, self._stratum, self.sizes = np.unique(
            self.shared, return_inverse=True, return_counts=True
        )
        rank = np.zeros(self.similarity.size)
        for stratum in range(self.strata.size):
            inside = self._stratum == stratum
            rank[inside] = stats.rankdata(self.similarity[inside])
        self.place = (rank - 0.5) / self.sizes[self._stratum]  # within its stratum, 0 to 1
        self._weight = self.place - 0.5

    def correlation(self, overlap: NDArray[np.floating]) -> float:
        """The rank correlation of overlaps (P,) with the similarity within the strata.

        Ranks are taken within each stratum, as shares of its pairs; the correlation is that of the
        deviations from the strata's means. With one stratum it is Spearman's. Undefined where
        either does not vary.
        """
        return self._correlation(self._deviation(overlap), slice(None))

    def correlations(self, overlap: NDArray[np.floating]) -> list[float]:
        """The correlation within every stratum alone."""
        deviation = self._deviation(overlap)
        return [self._correlation(deviation, self._stratum == i) for i in range(self.strata.size)]

    def _deviation(self, overlap: NDArray[np.floating]) -> NDArray[np.float64]:
        """Ranks within the strata, as shares, from the strata's means; equal ones share theirs."""
        width = 2 * STEPS + 1
        step = np.rint((overlap + 1.0) * STEPS).astype(np.intp) + width * self._stratum
        counts = np.bincount(step, minlength=width * self.strata.size).reshape(-1, width)
        rank = np.cumsum(counts, axis=1) - (counts - 1) / 2.0  # (strata, width)
        share = (rank - 0.5) / self.sizes[:, np.newaxis] - 0.5
        return share.ravel()[step]

    def _correlation(
        self, deviation: NDArray[np.float64], part: slice | NDArray[np.bool_]
    ) -> float:
        own, other = self._weight[part], deviation[part]
        scale = np.sqrt(own @ own) * np.sqrt(other @ other)
        return float(own @ other / scale) if scale > TOLERANCE else np.nan


class Overlap:
    """The share of pruned neurons of two domains beyond that of independent masks.

    For A and B pruned neurons of N, of which x are the same, (x - AB/N) / (min(A, B) - AB/N): 0 is
    what is expected by chance, 1 the most there can be (Cole 1949, Loevinger's H). A raw overlap
    would rise with the counts alone. It is 0 where a domain prunes none or all.
    """

    def __init__(self, ranking: Ranking, pairs: Pairs) -> None:
        """Hold the counts of pruned neurons of a ranking, which relabelling leaves as they are."""
        low, high = np.sort(
            [ranking.num_pruned[pairs.first], ranking.num_pruned[pairs.second]], axis=0
        )
        self.pairs = pairs
        self.counts = ranking.num_pruned
        self.chance = low * high / ranking.score.shape[1]
        room = low - self.chance
        self.scale = np.divide(1.0, room, out=np.zeros_like(room), where=room > 0.0)

    def of(self, pruned: NDArray[np.bool_]) -> NDArray[np.float64]:
        """The overlaps (P,) of the pruned neurons (D, N); none is below -1."""
        mask = pruned.astype(np.float32)
        place = self.pairs.first * len(mask) + self.pairs.second
        both = (mask @ mask.T).ravel()[place]  # (P,) pruned in both domains
        return np.maximum((both - self.chance) * self.scale, -1.0)


def relabelled(
    rankings: Sequence[Ranking], values: NDArray[np.intp], pairs: Pairs, draws: int = DRAWS
) -> NDArray[np.float64]:
    """Correlations (draws, R) as they would be if the masks had nothing to do with the similarity.

    Scores are split by least squares into a sum of one effect per value of each domain column and
    a rest. A draw permutes the values within each column, for all rankings alike, and which domain
    has which rest; every domain prunes as many neurons as before. So domains that share values go
    on to share their effects, and the effects stay as alike as they are. With a single column this
    is Mantel's test, the permutation of domains.
    """
    random = np.random.default_rng(DRAW_SEED)
    one_hot = [np.eye(column.max() + 1)[column] for column in values.T]
    design = np.hstack(one_hot)  # (D, V)
    score = np.hstack([ranking.score for ranking in rankings])  # (D, all N)
    effects = np.linalg.pinv(design) @ score
    rest = (score - design @ effects).astype(np.float32)
    effects = effects.astype(np.float32)
    ends = np.cumsum([ranking.score.shape[1] for ranking in rankings])[:-1]
    overlaps = [Overlap(ranking, pairs) for ranking in rankings]
    found = np.empty((draws, len(rankings)))
    for draw in range(draws):
        permuted = [block[:, random.permutation(block.shape[1])] for block in one_hot]
        drawn = np.hstack(permuted).astype(np.float32) @ effects
        drawn += rest[random.permutation(len(rest))]
        for i, (part, overlap) in enumerate(
            zip(np.split(drawn, ends, axis=1), overlaps, strict=True)
        ):
            found[draw, i] = pairs.correlation(overlap.of(_lowest(part, overlap.counts)))
    return found


def two_sided(observed: float, drawn: NDArray[np.float64]) -> float:
    """The p value of a statistic among draws under the null hypothesis, itself counted in.

    Twice that of the nearer side, at most 1; undefined if the statistic is. Undefined draws count
    as being as extreme.
    """
    if np.isnan(observed):
        return np.nan
    above = 1 + np.count_nonzero(~(drawn < observed - TOLERANCE))
    below = 1 + np.count_nonzero(~(drawn > observed + TOLERANCE))
    return min(1.0, 2.0 * min(above, below) / (drawn.size + 1))


def _lowest(score: NDArray[np.float32], counts: NDArray[np.intp]) -> NDArray[np.bool_]:
    """The `counts` (D,) lowest of each row, exactly so many; (D, N)."""
    width = score.shape[1]
    flat = np.argsort(score, axis=1) + width * np.arange(len(score))[:, np.newaxis]
    lowest = np.zeros(score.size, np.bool_)
    lowest[flat[np.arange(width) < counts[:, np.newaxis]]] = True
    return lowest.reshape(score.shape)
