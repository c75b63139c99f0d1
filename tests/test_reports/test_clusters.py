"""Clusters of rows and influences: against jackknifes, bootstraps and sums over all pairs."""

import numpy as np
import pytest

from benchmark.metrics import SCORES, evaluate
from reports.statistics.clusters import clusters_of, jackknife, rows_component


def log_of(seed=0, num_rows=3000):
    random = np.random.default_rng(seed)
    label = (random.random(num_rows) < 0.25).astype(np.int8)
    logit = (random.normal(-1.0, 1.0, num_rows) + label).astype(np.float32)
    return label, logit, random.integers(0, 12, num_rows)


def test_cells_agree_in_all_groupings():
    block, user = np.array([0, 0, 0, 1, 1]), np.array([7, 7, 3, 7, 7])

    found = clusters_of(block, user)

    assert found.cell.tolist() == [1, 1, 0, 2, 2]
    assert [grouping.tolist() for grouping in found.groupings] == [[0, 0, 1], [3, 7, 7]]
    assert found.sums(np.array([1.0, 2.0, 3.0, 4.0, 5.0])).tolist() == [3.0, 3.0, 9.0]


@pytest.mark.parametrize("metric", [name for name, one in SCORES.items() if one.influences])
def test_influences_are_what_the_metric_loses_without_the_row(metric):
    label, logit, domain = log_of(1, 600)
    added = SCORES[metric].influences(label, logit, domain)
    everything = evaluate(label, logit, domain)[metric]

    for row in range(0, 600, 40):
        kept = np.arange(600) != row
        without = evaluate(label[kept], logit[kept], domain[kept])[metric]
        assert added[row] == pytest.approx(everything - without, abs=4e-5, rel=0.1)


@pytest.mark.parametrize(("metric", "error"), [("logloss", 1e-15), ("auc", 1e-4), ("gauc", 2e-4)])
def test_jackknife_adds_what_the_influences_of_a_cell_add(metric, error):
    rows, clusters = log_of(6), clusters_of(np.arange(3000) // 30)

    added = jackknife(SCORES[metric].of_rows, clusters, *rows)

    expected = clusters.sums(SCORES[metric].influences(*rows))
    assert added == pytest.approx(expected, abs=error)
    assert np.corrcoef(added, expected)[0, 1] > 0.999


@pytest.mark.parametrize("metric", [name for name, one in SCORES.items() if one.influences])
def test_variance_is_about_that_of_a_bootstrap_of_blocks(metric):
    label, logit, domain = log_of(2)
    block = np.arange(3000) // 150
    clusters = clusters_of(block)
    random, drawn = np.random.default_rng(3), []
    for _ in range(1000):
        rows = (150 * random.integers(0, 20, 20)[:, np.newaxis] + np.arange(150)).ravel()
        drawn.append(evaluate(label[rows], logit[rows], domain[rows])[metric])

    sums = clusters.sums(SCORES[metric].influences(label, logit, domain))
    found = rows_component(np.array([sums, sums]), None, *clusters.groupings)

    assert found.variance == pytest.approx(np.var(drawn) * 20 / 19, rel=0.15)  # 3 errors of 1,000
    assert found.freedom == 19


def brute_force(first, second, weights):
    """The sum over all pairs of rows with their weights, and its mirror's mean."""
    return float(first @ (weights + weights.T) @ second) / 2.0


def together(grouping):
    """(N, N) whether two rows share a cluster, with the factor of so many."""
    num = np.unique(grouping).size
    return (grouping[:, np.newaxis] == grouping) * num / (num - 1)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_shared_variance_is_the_mean_over_pairs_of_seeds_and_of_rows_that_belong_together(sign):
    random = np.random.default_rng(4)
    block, user = np.arange(200) // 10, random.integers(0, 30, 200)
    waves = np.repeat(random.normal(size=10), 2) * np.tile([1.0, sign], 10)  # alike or opposite
    effects = 3.0 * waves[block] + random.normal(size=30)[user]
    added = effects - effects.mean() + random.normal(size=(3, 200))
    clusters = clusters_of(block, user)

    sums = np.array([clusters.sums(one) for one in added])
    found = rows_component(sums, *clusters.groupings)

    neighbours = (block[:, np.newaxis] + 1 == block) * 20 / 19
    weights = together(block) + together(user) - together(clusters.cell)
    weights = weights + (neighbours if sign > 0.0 else 0.0)
    pairs = [brute_force(added[i], added[j], weights) for i in range(3) for j in range(3) if i != j]
    assert found.variance == pytest.approx(np.mean(pairs))
    assert found.freedom == 19


def test_blocks_and_users_are_never_less_than_either():
    random = np.random.default_rng(5)
    clusters = clusters_of(np.arange(400) // 20, np.arange(400))  # one row of each user
    added = random.normal(size=400)

    sums = np.tile(clusters.sums(added - added.mean()), (2, 1))
    found = rows_component(sums, *clusters.groupings)

    block, user = clusters.groupings
    single = [rows_component(sums, *ways).variance for ways in ((block,), (None, user))]
    assert found.variance >= max(single) - 1e-12


def test_seeds_that_disagree_about_the_rows_give_the_variance_of_their_mean():
    added = np.array([1.0, -1.0, 1.0, -1.0, 0.0])
    sums = np.array([2.0 * added, -added])  # their covariance is negative

    found = rows_component(sums, np.arange(5))

    assert found.variance == pytest.approx(5 / 4 * ((0.5 * added) ** 2).sum())
    assert found.freedom == 4


@pytest.mark.parametrize(
    ("sums", "clusters"), [(np.zeros((2, 5)), np.arange(5)), (np.ones((2, 5)), np.zeros(5, int))]
)
def test_rows_without_variance_and_a_single_cluster_are_no_certainty(sums, clusters):
    found = rows_component(sums, clusters)

    assert np.isnan([found.variance, found.freedom]).all()
