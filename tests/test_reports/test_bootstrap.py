"""Resampled metrics against repeated rows, and the two-way interval against what chance does."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from benchmark.metrics import evaluate
from reports import bootstrap
from reports.bootstrap import block_weights, concordant, resampled_metrics, time_blocks
from reports.ordering import ordered
from reports.stats import paired_p_value
from reports.two_way import two_way_estimate

METRICS = ("logloss", "auc", "gauc")


def log_of(seed=0, num_rows=230):
    random = np.random.default_rng(seed)
    label = (random.random(num_rows) < 0.2).astype(np.int8)
    logit = np.round(random.normal(-1.0, 1.0, num_rows) + label, 1).astype(np.float32)
    domain = random.integers(0, 12, num_rows)
    label[domain == 3] = 0
    return label, logit, domain


def test_blocks_are_consecutive_and_of_equal_size():
    assert np.bincount(time_blocks(1000)).tolist() == [10] * 100
    assert time_blocks(3).tolist() == [0, 1, 2]
    assert set(np.bincount(time_blocks(250)).tolist()) == {2, 3}
    assert (np.diff(time_blocks(250)) >= 0).all()


def test_weights_draw_as_many_blocks_as_there_are():
    weights = block_weights(500)

    assert weights.shape == (bootstrap.RESAMPLES, 100)
    assert (weights.sum(axis=1) == 100).all()
    assert weights.var() == pytest.approx(0.99, abs=0.02)  # 100 draws of probability 0.01
    assert (block_weights(500) == weights).all()


def test_unweighted_metrics_are_those_of_the_evaluation():
    label, logit, domain = log_of()

    found = resampled_metrics(label, logit, domain, np.ones((1, 100)))

    expected = evaluate(label, logit, domain)
    assert {name: found[name][0] for name in METRICS} == pytest.approx(
        {name: expected[name] for name in METRICS}
    )


@pytest.mark.parametrize("products", [1 << 22, 50])
def test_resampled_metrics_are_those_of_repeated_rows(monkeypatch, products):
    monkeypatch.setattr(bootstrap, "PRODUCTS", products)
    label, logit, domain = log_of()
    weights = block_weights(label.size)[:20]

    found = resampled_metrics(label, logit, domain, weights)

    for draw, weight in enumerate(weights.astype(int)):
        rows = np.repeat(np.arange(label.size), weight[time_blocks(label.size)])
        expected = evaluate(label[rows], logit[rows], domain[rows])
        for name in METRICS:
            assert found[name][draw] == pytest.approx(expected[name])


def test_concordant_pairs_give_scikit_learns_weighted_auc():
    label, logit, _ = log_of(1)
    block, weight = time_blocks(label.size), np.random.default_rng(2).random(100)

    rows = ordered(label == 1, logit, np.zeros(label.size, np.int64))
    pairs = concordant(rows, label == 1, block, 100)

    clicks, others = (np.bincount(block[label == kind], minlength=100) for kind in (1, 0))
    wins = weight[pairs.block] @ pairs.wins @ weight
    found = wins / (weight @ clicks * (weight @ others))
    assert found == pytest.approx(roc_auc_score(label, logit, sample_weight=weight[block]))


def test_concordant_pairs_are_counted_one_by_one():
    label, logit, domain = log_of(2, 120)
    block = time_blocks(label.size)

    pairs = concordant(ordered(label == 1, logit, domain), label == 1, block, 100)

    expected = {}
    for click in np.flatnonzero(label == 1):
        for other in np.flatnonzero((label == 0) & (domain == domain[click])):
            key = domain[click], block[click], block[other]
            win = (logit[click] > logit[other]) + 0.5 * (logit[click] == logit[other])
            expected[key] = expected.get(key, 0.0) + win
    ids = np.unique(domain)
    found = {
        (ids[group], own, other): wins
        for group, own, row in zip(pairs.group, pairs.block, pairs.wins, strict=True)
        for other, wins in enumerate(row)
        if wins
    }
    assert found == {key: wins for key, wins in expected.items() if wins}


def test_resamples_with_one_class_are_undefined():
    label, logit, domain = np.array([1, 0, 0]), np.zeros(3, np.float32), np.zeros(3, np.int64)

    found = resampled_metrics(label, logit, domain, np.array([[0.0, 2.0, 1.0], [1.0, 2.0, 0.0]]))

    assert np.isnan([found["auc"][0], found["gauc"][0]]).all()
    assert found["auc"][1] == found["gauc"][1] == 0.5


def test_resampled_metrics_without_rows_are_undefined():
    nothing = np.empty(0)

    found = resampled_metrics(nothing, nothing, nothing)

    assert all(np.isnan(values).all() for values in found.values())


def null_comparison(seed, num_seeds=3, num_rows=300):
    """Two equally good models whose seeds share what they make of the rows of one log.

    Per metric the p values of the paired t test, which looks at the seeds alone, and of the
    two-way estimate.
    """
    random = np.random.default_rng(seed)
    label = (random.random(num_rows) < 0.3).astype(np.int8)
    signal = label + random.normal(size=num_rows)
    domain = random.integers(0, 4, num_rows)
    weights = block_weights(num_rows)[:100]
    sides = []
    for _ in range(2):
        shared = signal + random.normal(size=num_rows)
        logits = shared + 0.7 * random.normal(size=(num_seeds, num_rows))
        scores = [evaluate(label, one, domain) for one in logits]
        sides.append((scores, [resampled_metrics(label, one, domain, weights) for one in logits]))
    return [p_values(sides, metric, weights.shape[1]) for metric in METRICS]


def p_values(sides, metric, num_blocks):
    values, drawn = (
        np.subtract(*([run[metric] for run in side[part]] for side in sides)) for part in (0, 1)
    )
    return paired_p_value(values), two_way_estimate(values, drawn.T, num_blocks).p_value


def test_two_way_interval_is_not_fooled_by_the_rows_that_seeds_share():
    found = np.array([null_comparison([6, i]) for i in range(60)])[:, METRICS.index("auc")]

    assert not np.isnan(found).any()
    by_seeds, two_way = (found < 0.05).mean(axis=0)

    assert by_seeds > 0.2  # the t test takes the luck of the rows for skill
    assert two_way < 0.134  # 0.05, and three standard errors of 60 tries


@pytest.mark.slow
def test_two_way_interval_is_wrong_as_often_as_its_level():
    found = np.array([null_comparison([7, i], num_seeds=4) for i in range(400)])

    assert (found[:, :, 1] < 0.05).mean(axis=0) == pytest.approx(0.05, abs=0.033)
