"""DeLong's variance: against all pairs, against scikit-learn, and against what chance does."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from benchmark.metrics import placements
from reports.statistics.delong import contrast


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


def test_placements_average_to_the_auc():
    label, scores = log_of(0)

    shares = placements(label, scores[0])

    expected = roc_auc_score(label, scores[0])
    assert shares[label == 1].mean() == pytest.approx(expected)
    assert shares[label == 0].mean() == pytest.approx(expected)


def test_placements_with_one_class_are_undefined():
    assert np.isnan(placements([0, 0, 0], [0.1, 0.2, 0.3])).all()


def test_contrast_is_that_of_all_pairs():
    label, scores = log_of(1)
    left, right = scores[:2], scores[2:]

    found = contrast(label, *([placements(label, one) for one in side] for side in (left, right)))

    pairs = sum(all_pairs(label, one) for one in left) - sum(all_pairs(label, one) for one in right)
    by_click, by_other = pairs.mean(axis=1) / 2, pairs.mean(axis=0) / 2
    variance = by_click.var(ddof=1) / by_click.size + by_other.var(ddof=1) / by_other.size
    assert found.delta == pytest.approx(pairs.mean() / 2)
    assert found.variance == pytest.approx(variance)


def test_variance_of_a_mean_over_seeds_is_at_most_the_mean_variance():
    label, scores = log_of(2)
    left, right = ([placements(label, one) for one in side] for side in (scores[:2], scores[2:]))

    both = contrast(label, left, right).variance

    single = [contrast(label, [one], [two]).variance for one, two in zip(left, right, strict=True)]
    assert both <= np.mean(single)
    assert both > np.mean(single) / 2 * 0.5  # far from that of a sure thing


def test_contrast_of_equal_models_is_no_difference():
    label, scores = log_of(3)
    shares = placements(label, scores[0])

    assert contrast(label, [shares], [shares]).p_value == 1.0


def test_contrast_needs_two_rows_of_each_class():
    label = np.array([1, 0, 0, 0])
    left, right = (placements(label, score) for score in ([4, 3, 2, 1], [1, 2, 3, 4]))

    assert np.isnan(contrast(label, [left], [right]).p_value)


def test_test_is_wrong_about_equal_models_as_often_as_its_level():
    p_values = []
    for seed in range(1500):
        label, scores = log_of([4, seed], num_rows=150, num_models=2)
        left, right = (placements(label, score) for score in scores)
        p_values.append(contrast(label, [left], [right]).p_value)

    assert np.mean(np.array(p_values) < 0.05) == pytest.approx(0.05, abs=0.02)
