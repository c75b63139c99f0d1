"""DeLong's variance: against all pairs, by hand, and against what chance does."""

import numpy as np
import pytest

from benchmark.metrics import mean_influences, placements
from reports.statistics.paired_tests import contrast


def log_of(seed, num_rows=60, num_models=4):
    """Labels and the scores of some models, with ties."""
    random = np.random.default_rng(seed)
    label = (random.random(num_rows) < 0.3).astype(np.int8)
    signal = label + random.normal(size=num_rows)
    return label, np.round(signal + random.normal(size=(num_models, num_rows)), 1)


def all_pairs(label, score):
    """(P, M) whether a click is above another row."""
    clicks, others = score[label == 1][:, None], score[label == 0]
    return (clicks > others) + 0.5 * (clicks == others)


def test_placements_with_one_class_are_undefined():
    assert np.isnan(placements([0, 0, 0], [0.1, 0.2, 0.3])).all()


def test_contrast_is_that_of_all_pairs():
    label, scores = log_of(1)
    left, right = scores[:2], scores[2:]

    sides = ([placements(label, one) for one in side] for side in (left, right))
    found = contrast(label, *(np.mean(side, axis=0) for side in sides))

    pairs = sum(all_pairs(label, one) for one in left) - sum(all_pairs(label, one) for one in right)
    by_click, by_other = pairs.mean(axis=1) / 2, pairs.mean(axis=0) / 2
    variance = by_click.var(ddof=1) / by_click.size + by_other.var(ddof=1) / by_other.size
    assert found.delta == pytest.approx(pairs.mean() / 2)
    assert found.variance == pytest.approx(variance)


def test_variance_of_a_mean_over_seeds_is_at_most_the_mean_variance():
    label, scores = log_of(2)
    left, right = ([placements(label, one) for one in side] for side in (scores[:2], scores[2:]))

    both = contrast(label, np.mean(left, axis=0), np.mean(right, axis=0)).variance

    single = [contrast(label, one, two).variance for one, two in zip(left, right, strict=True)]
    assert both <= np.mean(single)
    assert both > np.mean(single) / 2 * 0.5  # far from that of a sure thing


def test_contrast_of_equal_models_is_no_difference():
    label, scores = log_of(3)
    shares = placements(label, scores[0])

    assert contrast(label, shares, shares).p_value == 1.0


def test_contrast_needs_two_rows_of_each_class():
    label = np.array([1, 0, 0, 0])
    left, right = (placements(label, score) for score in ([4, 3, 2, 1], [1, 2, 3, 4]))

    assert np.isnan(contrast(label, left, right).p_value)


def rows(num: int, num_groups: int, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Labels, tied float32 scores and groups in no order."""
    random = np.random.default_rng(seed)
    label = (random.random(num) < 0.3).astype(np.int8)
    score = np.round(random.normal(size=num) + label, 1).astype(np.float32)
    return label, score, random.integers(0, num_groups, num).astype(np.int32)


def test_placements_by_hand():
    label = np.array([1, 0, 1, 0, 0, 1])
    score = np.array([3.0, 3.0, 1.0, 2.0, 9.0, 9.0], np.float32)
    group = np.array([5, 5, 5, 5, 7, 0])

    shares = placements(label, score, group)

    # group 5: clicks 3 and 1, others 3 and 2; groups 7 and 0 have one class
    assert shares[:4].tolist() == [0.75, 0.25, 0.0, 0.5]
    assert np.isnan(shares[4:]).all()


def test_placements_within_are_those_of_each_group_alone():
    label, score, group = rows(400, 12)

    shares = placements(label, score, group)

    for one in range(12):
        own = group == one
        np.testing.assert_allclose(shares[own], placements(label[own], score[own]))


def test_squares_of_one_group_sum_to_delongs_variance():
    label, score, _ = rows(200, 1)
    everything = np.zeros(200, np.int64)

    added = mean_influences(label, score, everything, everything)

    own = placements(label, score)
    parts = [own[label == kind].var(ddof=1) / (label == kind).sum() for kind in (0, 1)]
    assert (added**2).sum() == pytest.approx(sum(parts))
    assert added.sum() == pytest.approx(0.0, abs=1e-12)


def test_group_of_one_class_adds_nothing():
    label = np.array([1, 0, 1, 0, 0, 0])
    score = np.array([3, 1, 1, 2, 1, 2], np.float32)
    group = np.array([0, 0, 0, 0, 1, 1])

    added = mean_influences(label, score, group, np.zeros(6, np.int64))

    assert np.abs(added[:4]).min() > 0.0
    assert added[4:].tolist() == [0.0, 0.0]


def test_lone_click_is_taken_around_the_mean_of_its_stratum():
    label = np.array([1, 0, 0, 1, 1, 0, 0])
    score = np.array([2, 1, 3, 5, 4, 1, 0], np.float32)  # AUC 1/2 of 3 rows, 1 of 4 rows
    group = np.array([0, 0, 0, 1, 1, 1, 1])

    added = mean_influences(label, score, group, np.zeros(7, np.int64))

    assert added[0] == pytest.approx(3 / 7 * (0.5 - (3 * 0.5 + 4 * 1.0) / 7))


@pytest.mark.parametrize("clicks_per_group", [1, 2, 4])
def test_variance_of_a_mean_auc_is_not_underestimated(clicks_per_group):
    random = np.random.default_rng(1)
    label = np.tile([1] * clicks_per_group + [0] * 10, 30).astype(np.int8)
    group = np.repeat(np.arange(30), clicks_per_group + 10)
    stratum = np.zeros(label.size, np.int64)
    means, variances = [], []

    for _ in range(400):
        score = (random.normal(size=label.size) + label).astype(np.float32)
        means.append(placements(label, score, group)[label == 1].mean())
        variances.append((mean_influences(label, score, group, stratum) ** 2).sum())

    assert 0.9 < np.mean(variances) / np.var(means) < 1.5  # 400 draws know a variance to 7%
