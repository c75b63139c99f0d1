"""Mask overlap, its stratified correlation with similarity, and the level of the test of it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from reports.statistics.permutation import Overlap, Pairs, Ranking, relabelled, two_sided

NUM_DOMAINS, NUM_VALUES, WIDTH, DRAWS = 40, 7, 24, 99
LEVEL = 0.05


def additive(random: np.random.Generator, codes: np.ndarray, width: int) -> np.ndarray:
    """A random vector per value of each domain column, summed for every domain."""
    effects = [random.normal(size=(NUM_VALUES, width)) for _ in codes.T]
    return sum(effect[column] for effect, column in zip(effects, codes.T, strict=True))


class World:
    """Domains of two columns whose similarity comes from what their values do."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        cells = self.random.permutation(NUM_VALUES**2)[:NUM_DOMAINS]
        self.codes = np.stack([cells // NUM_VALUES, cells % NUM_VALUES], axis=1)
        self.effect = additive(self.random, self.codes, 4)
        unit = self.effect / np.linalg.norm(self.effect, axis=1, keepdims=True)
        self.pairs = Pairs(self.codes, unit @ unit.T)
        self.loading = self.random.normal(size=(4, WIDTH))
        self.counts = np.clip(np.rint(6 + 1.5 * additive(self.random, self.codes, 1)[:, 0]), 0, 24)

    def ranking(self, share: float) -> Ranking:
        """Of masks that follow the similarity as far as `share` says, and their own effects."""
        own = additive(self.random, self.codes, WIDTH)
        own += 0.5 * self.random.normal(size=own.shape)
        score = share * self.effect @ self.loading + own
        return Ranking(score.astype(np.float32), self.counts.astype(np.intp))

    def correlation(self, ranking: Ranking) -> float:
        return self.pairs.correlation(Overlap(ranking, self.pairs).of(ranking.pruned()))

    def p_value(self, ranking: Ranking) -> float:
        drawn = relabelled([ranking], self.codes, self.pairs, DRAWS)
        return two_sided(self.correlation(ranking), drawn[:, 0])

    def mantel(self, ranking: Ranking) -> float:
        overlap = np.zeros((NUM_DOMAINS, NUM_DOMAINS))
        overlap[self.pairs.first, self.pairs.second] = Overlap(ranking, self.pairs).of(
            ranking.pruned()
        )
        overlap += overlap.T
        drawn = []
        for _ in range(DRAWS):
            order = self.random.permutation(NUM_DOMAINS)
            permuted = overlap[np.ix_(order, order)]
            drawn.append(self.pairs.correlation(permuted[self.pairs.first, self.pairs.second]))
        return two_sided(self.correlation(ranking), np.array(drawn))


def most_by_chance(num: int) -> float:
    """Rejections of a valid test of which there are more with a probability of 0.1%."""
    return stats.binom.ppf(0.999, num, LEVEL)


def test_the_test_holds_its_level_where_masks_ignore_similarity() -> None:
    worlds = [World(seed) for seed in range(120)]

    rejected = [world.p_value(world.ranking(share=0.0)) <= LEVEL for world in worlds]

    assert sum(rejected) <= most_by_chance(len(worlds))


def test_permuting_domains_instead_would_not_hold_its_level() -> None:
    worlds = [World(seed) for seed in range(60)]

    rejected = [world.mantel(world.ranking(share=0.0)) <= LEVEL for world in worlds]

    assert sum(rejected) > most_by_chance(len(worlds))


def test_the_test_finds_masks_that_follow_similarity() -> None:
    worlds = [World(seed) for seed in range(20)]

    rejected = [world.p_value(world.ranking(share=1.0)) <= LEVEL for world in worlds]

    assert sum(rejected) >= 18


def test_a_difference_of_equally_related_masks_holds_its_level() -> None:
    rejected = []
    for seed in range(60):
        world = World(seed)
        both = [world.ranking(share=1.0), world.ranking(share=1.0)]
        drawn = relabelled(both, world.codes, world.pairs, DRAWS)
        difference = world.correlation(both[0]) - world.correlation(both[1])
        rejected.append(two_sided(difference, drawn[:, 0] - drawn[:, 1]) <= LEVEL)

    assert sum(rejected) <= most_by_chance(len(rejected))


def test_correlation_of_one_stratum_is_spearmans() -> None:
    random = np.random.default_rng(0)
    codes, similarity = np.arange(9)[:, np.newaxis], random.normal(size=(9, 9))
    pairs = Pairs(codes, similarity + similarity.T)
    overlap = np.round(random.uniform(-1, 1, pairs.first.size), 1)  # with ties

    found = pairs.correlation(overlap)

    assert found == pytest.approx(stats.spearmanr(pairs.similarity, overlap).statistic)
    assert pairs.correlations(overlap) == [pytest.approx(found)]


def test_correlation_ignores_what_differs_between_strata() -> None:
    codes = np.stack([np.arange(8) // 4, np.arange(8)], axis=1)
    noise = np.random.default_rng(1).normal(size=(8, 8))
    pairs = Pairs(codes, 10.0 * (codes[:, :1] == codes[:, 0]) + noise)
    order = np.arange(pairs.shared.size) % 3 / 10.0

    both = pairs.correlation(0.5 * pairs.shared + order)

    assert both == pytest.approx(pairs.correlation(order))
    assert stats.spearmanr(pairs.similarity, 0.5 * pairs.shared + order).statistic > 0.7
    assert pairs.sizes.tolist() == [16, 12]


def test_correlation_without_variation_is_undefined() -> None:
    pairs = Pairs(np.arange(4)[:, np.newaxis], np.random.default_rng(0).normal(size=(4, 4)))

    assert np.isnan(pairs.correlation(np.zeros(6)))
    assert np.isnan(two_sided(np.nan, np.zeros(3)))


def test_overlap_is_zero_at_chance_and_one_for_nested_masks() -> None:
    score = np.array(
        [[0, 1, 2, 3, 4, 5, 6, 7], [0, 9, 9, 9, 1, 5, 6, 7], [0, 1, 2, 9, 9, 9, 9, 9]], np.float32
    )
    ranking = Ranking(score, np.array([4, 2, 3]))
    pairs = Pairs(np.arange(3)[:, np.newaxis], np.zeros((3, 3)))

    overlap = Overlap(ranking, pairs).of(ranking.pruned())

    # 4 and 2 of 8 share 1 by chance and share 1; 4 and 3 share 3; 2 and 3 share 0.75 by chance
    assert overlap.tolist() == pytest.approx([0.0, 1.0, (1 - 0.75) / (2 - 0.75)])


def test_overlap_with_a_domain_that_prunes_nothing_or_all_is_zero() -> None:
    ranking = Ranking(np.zeros((3, 4), np.float32), np.array([0, 4, 2]))
    pairs = Pairs(np.arange(3)[:, np.newaxis], np.zeros((3, 3)))

    assert Overlap(ranking, pairs).of(ranking.pruned()).tolist() == [0.0, 0.0, 0.0]


def test_relabelling_one_column_permutes_whole_masks() -> None:
    random = np.random.default_rng(3)
    score = random.normal(size=(5, 6)).astype(np.float32)
    similarity = random.normal(size=(5, 5))
    codes, ranking = np.arange(5)[:, np.newaxis], Ranking(score, np.full(5, 3))
    pairs = Pairs(codes, similarity + similarity.T)
    orders = [np.random.default_rng(seed).permutation(5) for seed in range(400)]
    permuted = [Ranking(score[order], ranking.num_pruned) for order in orders]
    possible = {
        round(pairs.correlation(Overlap(one, pairs).of(one.pruned())), 9) for one in permuted
    }

    drawn = relabelled([ranking], codes, pairs, 200)[:, 0]

    assert set(np.round(drawn, 9)) <= possible


def test_two_sided_counts_the_observed_among_the_draws() -> None:
    drawn = np.arange(19.0)

    assert two_sided(20.0, drawn) == pytest.approx(2 / 20)
    assert two_sided(17.0, drawn) == pytest.approx(2 * 3 / 20)
    assert two_sided(9.0, drawn) == 1.0
