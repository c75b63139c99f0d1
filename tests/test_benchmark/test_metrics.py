"""Metrics against scikit-learn and against hand-worked numbers."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss, roc_auc_score

from benchmark import metrics
from benchmark.metrics import (
    METRICS,
    LogitError,
    Metric,
    evaluate,
    expected_scores,
    group_scores,
    probability,
)
from benchmark.metrics import _grouped_auc as grouped
from benchmark.metrics.auc import auc
from benchmark.metrics.calibration import calibration
from benchmark.metrics.logloss import row_logloss


def random_rows(seed, size=3_000, decimals=1, num_groups=40):
    """Labels, float32 logits with many ties, and groups of very different sizes."""
    rng = np.random.default_rng(seed)
    label = (rng.random(size) < 0.2).astype(np.int8)
    logit = np.round(rng.normal(size=size) + label, decimals).astype(np.float32)
    group = np.minimum(rng.geometric(0.1, size), num_groups).astype(np.int32)
    return label, logit, group


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("decimals", [0, 1, 7])
def test_auc_equals_scikit_learn_with_ties(seed, decimals):
    label, logit, _ = random_rows(seed, decimals=decimals)

    assert auc(label, logit) == pytest.approx(roc_auc_score(label, logit), abs=1e-12)


@given(st.lists(st.tuples(st.booleans(), st.floats(-5, 5, width=32)), min_size=2, max_size=60))
def test_auc_equals_brute_force_count_of_pairs(rows):
    label = np.array([row[0] for row in rows], np.int8)
    score = np.array([row[1] for row in rows], np.float32)
    positive, negative = score[label == 1][:, None], score[label == 0][None, :]
    wins = (positive > negative).sum() + 0.5 * (positive == negative).sum()

    expected = wins / (positive.size * negative.size) if positive.size * negative.size else np.nan

    assert auc(label, score) == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_auc_of_float64_scores_keeps_differences_below_float32():
    assert auc([0, 1], np.array([1.0, 1.0 + 1e-12])) == 1.0


def test_auc_treats_negative_zero_as_zero():
    assert auc([0, 1], np.array([0.0, -0.0], np.float32)) == 0.5


@pytest.mark.parametrize("label", [[0, 0, 0], [1, 1, 1], []])
def test_auc_is_nan_without_both_classes(label):
    assert np.isnan(auc(np.array(label, np.int8), np.zeros(len(label), np.float32)))


@pytest.mark.parametrize("seed", range(3))
def test_group_auc_equals_scikit_learn_in_each_group(seed):
    label, logit, group = random_rows(seed)

    scores = group_scores(label, logit, group)

    assert scores.group.tolist() == np.unique(group).tolist()
    for index, name in enumerate(scores.group):
        rows = group == name
        assert scores.impressions[index] == rows.sum()
        assert scores.clicks[index] == label[rows].sum()
        if 0 < label[rows].sum() < rows.sum():
            expected = roc_auc_score(label[rows], logit[rows])
            assert scores.auc[index] == pytest.approx(expected, abs=1e-12)
        else:
            assert np.isnan(scores.auc[index])


def pairs_won(label, score):
    """The AUC of one group by a count of all of its pairs."""
    clicks, others = score[label == 1][:, None], score[label == 0][None, :]
    wins = 2 * int((clicks > others).sum()) + int((clicks == others).sum())
    pairs = clicks.size * others.size
    return wins / 2 / pairs if pairs else np.nan


TIES = [-0.0, 0.0, 1e-45, -1e-45, 1.1754944e-38, 1.0, -1.0, 3.4e38, -3.4e38]
ROWS = st.tuples(st.integers(0, 1), st.sampled_from(TIES), st.integers(0, 4))


@given(st.lists(ROWS, min_size=1, max_size=60), st.integers(1, 70))
def test_blocks_of_any_size_count_the_pairs_of_each_group(rows, block_rows):
    label, score, group = (np.array(column) for column in zip(*rows, strict=True))
    score = score.astype(np.float32)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grouped, "BLOCK_ROWS", block_rows)
        scores = group_scores(label, score, group)

    assert scores.group.tolist() == np.unique(group).tolist()
    own = [group == name for name in scores.group]
    assert scores.impressions.tolist() == [rows.sum() for rows in own]
    assert scores.clicks.tolist() == [label[rows].sum() for rows in own]
    expected = [pairs_won(label[rows], score[rows]) for rows in own]
    np.testing.assert_array_equal(scores.auc, expected)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 0.95, 1.0])
@pytest.mark.parametrize("giant", [0, 2_500])
def test_blocks_that_cut_groups_have_the_bits_of_a_single_one(share, giant, monkeypatch):
    rng = np.random.default_rng(3)
    label, score = (rng.random(3_000) < share).astype(np.int8), rng.normal(size=3_000).round(1)
    group = rng.integers(0, 900, 3_000)
    group[:giant] = 450
    whole = group_scores(label, score, group)

    monkeypatch.setattr(grouped, "BLOCK_ROWS", 37)
    blocks = group_scores(label, score, group)

    for name in ("group", "impressions", "clicks", "auc"):
        np.testing.assert_array_equal(getattr(blocks, name), getattr(whole, name))


def test_memory_of_a_dev_evaluation_does_not_grow_with_the_rows(monkeypatch):
    own = {name: METRICS[name] for name in ("auc", "gauc", "macro_auc", "logloss", "calibration")}
    monkeypatch.setattr(metrics, "METRICS", own)  # a metric of one's own may hold all rows
    monkeypatch.setattr(grouped, "BLOCK_ROWS", 1 << 17)
    peaks = []
    for size in (1 << 19, 1 << 20):
        label, logit, domain = random_rows(0, size, decimals=7)
        tracemalloc.start()
        evaluate(label, logit, domain)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()

    assert peaks[1] < 1.1 * peaks[0]


def test_means_of_many_rows_equal_those_of_an_array_of_all_values():
    label, logit, domain = random_rows(1, size=600_011, decimals=7)
    values = row_logloss(label, logit)

    metric = metrics.METRICS["logloss"]

    assert metric.of_rows(label, logit, domain) == pytest.approx(values.mean(), rel=1e-15)
    expected = np.bincount(domain, values, 41)[1:] / np.bincount(domain, minlength=41)[1:]
    found = metric.by_domain(label, logit, domain, 41)
    assert np.isnan(found[0])
    np.testing.assert_allclose(found[1:], expected, rtol=1e-15)


def test_gauc_leaves_one_class_groups_out_of_both_sums():
    label = np.array([0, 1, 0, 1, 1, 1, 0, 0])
    logit = np.array([0, 1, 0, 1, 0, 0, 9, 9], np.float32)
    group = np.array([4, 4, 4, 7, 7, 8, 9, 9])  # group 7 to 9 have one class

    scores = evaluate(label, logit, group)

    assert scores["gauc"] == 1.0
    assert scores["domains"] == 4
    assert scores["gauc_domains"] == 1
    assert scores["gauc_row_share"] == 3 / 8


def test_gauc_weights_by_impressions_and_macro_does_not():
    label = np.array([0, 1, 0, 1, 0, 0])
    logit = np.array([0, 1, 1, 0, 2, 3], np.float32)
    group = np.array([0, 0, 1, 1, 1, 1])  # AUC 1 over 2 rows, AUC 0 over 4 rows

    scores = evaluate(label, logit, group)

    assert scores["gauc"] == pytest.approx(2 / 6)
    assert scores["macro_auc"] == pytest.approx(1 / 2)


def test_gauc_is_undefined_not_zero_when_every_group_has_one_class():
    scores = evaluate([0, 1], np.array([0, 1], np.float32), [0, 1])

    assert np.isnan(scores["gauc"])
    assert np.isnan(scores["macro_auc"])
    assert scores["gauc_domains"] == 0


@pytest.mark.parametrize("seed", range(3))
def test_logloss_equals_scikit_learn(seed):
    label, logit, _ = random_rows(seed)

    loss = row_logloss(label, logit).mean()

    assert loss == pytest.approx(log_loss(label, probability(logit)), abs=1e-12)


def test_logloss_of_extreme_logits_is_finite():
    assert row_logloss([0, 1], [800.0, -800.0]).tolist() == [800.0, 800.0]


def test_calibration_is_mean_prediction_over_mean_label():
    logit = np.log(np.array([0.2, 0.4, 0.6]) / np.array([0.8, 0.6, 0.4]))

    assert calibration([0, 0, 1], logit) == pytest.approx(0.4 * 3)
    assert np.isnan(calibration([0, 0, 0], logit))


def test_metrics_of_no_rows_are_undefined_with_counts():
    scores = evaluate(np.empty(0, np.int8), np.empty(0, np.float32), np.empty(0, np.int32))

    assert scores["rows"] == scores["domains"] == 0
    undefined = ("logloss", "auc", "gauc", "macro_auc", "gauc_row_share", "calibration")
    assert all(np.isnan(scores[name]) for name in undefined)


def brute_force_expected_auc(p_click, score):
    """Over all ordered pairs of different rows."""
    weight = np.outer(p_click, 1.0 - p_click)
    np.fill_diagonal(weight, 0.0)
    wins = (score[:, None] > score) + 0.5 * (score[:, None] == score)
    return (weight * wins).sum() / weight.sum()


@pytest.mark.parametrize("size", [2, 3, 40, 400])
def test_expected_auc_equals_a_sum_over_all_pairs(size):
    random = np.random.default_rng(size)
    p_click, score = random.random(size), random.integers(0, 9, size).astype(np.float32)

    assert auc(p_click, score) == pytest.approx(brute_force_expected_auc(p_click, score), abs=1e-12)


def test_expected_auc_of_two_rows_by_hand():
    # the pair counts p_0 (1 - p_1) = 0.72 where the first row is the click, else 0.02
    assert auc([0.9, 0.2], [1.0, 0.0]) == pytest.approx(0.72 / 0.74)
    assert auc([0.9, 0.2], [0.0, 0.0]) == pytest.approx(0.5)


def test_expected_scores_of_certain_rows_are_the_plain_ones():
    label, logit, domain = random_rows(5, size=500, decimals=7, num_groups=20)
    plain = evaluate(label, logit, domain)

    expected = expected_scores(label, logit, domain)

    for name in ("logloss", "auc", "gauc"):
        assert expected[f"expected_{name}"] == plain[name]


def test_expected_auc_within_groups_equals_that_of_each_group():
    random = np.random.default_rng(6)
    p_click, group = random.random(300), random.integers(0, 12, 300)
    score = random.integers(0, 5, 300).astype(np.float64)

    scores = group_scores(p_click, score, group)

    for number, value, rows in zip(scores.group, scores.auc, scores.impressions, strict=True):
        own = group == number
        assert value == pytest.approx(brute_force_expected_auc(p_click[own], score[own]), abs=1e-12)
        assert rows == own.sum()


def test_expected_auc_of_a_small_group_behind_a_large_one_keeps_its_digits():
    random = np.random.default_rng(8)
    p_click = random.random(300_007)
    score, group = random.normal(size=p_click.size), np.full(p_click.size, 3)
    group[-7:], small = 4, slice(-7, None)

    value = group_scores(p_click, score, group).auc[1]

    expected = brute_force_expected_auc(p_click[small], score[small])
    assert value == pytest.approx(expected, abs=1e-14)


def test_expected_gauc_weights_by_impressions_and_leaves_single_rows_out():
    # domain 0: 0.72 of 0.74 pairs are won; domain 1: all scores are equal; domain 2: one row
    p_click, domain = [0.9, 0.2, 0.5, 0.5, 0.5, 0.7], [0, 0, 1, 1, 1, 2]

    scores = expected_scores(p_click, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0], domain)

    assert scores["expected_gauc"] == pytest.approx((2 * 0.72 / 0.74 + 3 * 0.5) / 5)
    assert scores["expected_gauc_domains"] == 2


def test_expected_auc_of_one_row_or_none_is_undefined():
    scores = group_scores([0.5, 0.2, 0.4], [1.0, 2.0, 3.0], [4, 7, 7])

    assert np.isnan(scores.auc[0])
    assert not np.isnan(scores.auc[1])
    assert np.isnan(auc([], []))
    assert expected_scores([0.5], [0.0], [0])["expected_gauc_domains"] == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    "metric",
    [
        lambda y, s: auc(y, s),
        lambda y, s: group_scores(y, s, np.zeros(4, np.int64)),
        lambda y, s: evaluate(y, s, np.zeros(4, np.int64)),
        lambda y, s: row_logloss(y, s),
        lambda y, s: probability(s),
        lambda y, s: calibration(y, s),
        lambda y, s: expected_scores(y / 2, s, np.zeros(4, np.int64)),
    ],
)
def test_logits_that_are_not_finite_are_refused(metric, broken, dtype):
    label, logit = np.array([0, 1, 0, 1]), np.array([0.5, broken, -1.0, broken], dtype)

    with pytest.raises(LogitError, match="2 of 4 logits are nan or infinite"):
        metric(label, logit)


@pytest.mark.parametrize("unit", [0.0, -1e-4, np.nan, np.inf, "0.01", True, None])
def test_unit_of_differences_is_a_finite_number_above_zero(unit):
    message = f"^Lift: difference_unit must be a finite number above 0, got {unit!r}$"

    with pytest.raises(ValueError, match=message):
        Metric(title="Lift", of_rows=auc, difference_unit=unit)


def test_file_without_an_entry_is_no_metric(tmp_path, monkeypatch):
    (tmp_path / "brier.py").write_text("METRIC = 0.25\n", encoding="utf-8")
    monkeypatch.setattr(metrics, "__path__", [str(tmp_path)])

    with pytest.raises(TypeError, match=r"brier.py: METRIC is 0.25, not a Metric; end the file"):
        metrics._load()
