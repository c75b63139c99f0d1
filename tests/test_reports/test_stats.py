"""Intervals and tests: against worked numbers, against scipy, and against what chance does."""

import numpy as np
import pytest
from scipy import stats

from reports.statistics.paired_tests import (
    holm,
    minimum_detectable,
    paired_interval,
    paired_p_value,
    wilcoxon_p_value,
)


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_interval_agrees_with_scipy(level):
    deltas = np.random.default_rng(1).normal(0.3, 1.0, 7)

    interval = paired_interval(deltas, level)

    expected = stats.ttest_1samp(deltas, 0.0).confidence_interval(level)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize(
    ("deltas", "mean"), [([], np.nan), ([0.25], 0.25), ([0.1, np.nan], np.nan)]
)
def test_interval_without_two_defined_differences_has_no_bounds(deltas, mean):
    interval = paired_interval(deltas)

    assert interval.mean == pytest.approx(mean, nan_ok=True)
    assert np.isnan([interval.low, interval.high]).all()


def test_interval_ends_at_its_limit():
    interval = paired_interval([-0.1, 0.3], limit=1.0)  # half its width is 2.5

    assert (interval.mean, interval.low, interval.high) == (pytest.approx(0.1), -1.0, 1.0)


def test_p_value_agrees_with_scipy():
    left, right = np.random.default_rng(3).normal(size=(2, 5))

    assert paired_p_value(left - right) == pytest.approx(stats.ttest_rel(left, right).pvalue)


@pytest.mark.parametrize("deltas", [[], [1.0], [1.0, np.nan], [0.0] * 3, [0.1] * 3], ids=str)
def test_differences_without_spread_are_no_certainty(deltas):
    interval = paired_interval(deltas)

    assert np.isnan([paired_p_value(deltas), interval.low, interval.high]).all()


def test_holm_is_the_worked_correction():
    corrected = holm([0.01, 0.04, np.nan, 0.03, 0.005])  # 4 * .005, 3 * .01, 2 * .03, 1 * .04

    assert corrected == pytest.approx([0.03, 0.06, np.nan, 0.06, 0.02], nan_ok=True)


def test_holm_never_exceeds_one_and_keeps_the_order():
    assert holm([0.9, 0.6]).tolist() == [1.0, 1.0]
    assert holm([]).size == 0


@pytest.mark.parametrize(("num", "errors"), [(3, 5.8), (5, 3.7), (30, 2.9)])
def test_test_finds_the_detectable_difference_as_often_as_its_power(num, errors):
    spread = np.arange(num) - (num - 1) / 2
    least = minimum_detectable(spread)
    random = np.random.default_rng(5)
    samples = random.normal(least, spread.std(ddof=1), (4000, num))

    found = np.mean([paired_p_value(sample) < 0.05 for sample in samples])

    assert least / (spread.std(ddof=1) / np.sqrt(num)) == pytest.approx(errors, abs=0.2)
    assert found == pytest.approx(0.8, abs=0.02)


def test_detectable_difference_needs_two_that_differ():
    assert np.isnan(minimum_detectable([0.1]))
    assert np.isnan(minimum_detectable([0.1, 0.1]))


def test_wilcoxon_of_six_gains_is_the_least_that_six_can_reach():
    gains = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]

    assert wilcoxon_p_value(gains) == pytest.approx(2 / 2**6)
    assert np.isnan(wilcoxon_p_value(gains[:5]))  # 2 / 2^5 > 0.05


@pytest.mark.parametrize(
    ("deltas", "expected"),
    [
        ([0.0] * 6, 1.0),
        ([0.0, 1.0, -2.0, 3.0, 4.0, 5.0, 6.0], 6 / 2**6),  # losses none, {1} or {2}; their mirrors
        ([np.nan] * 6, np.nan),
    ],
)
def test_wilcoxon_drops_zeros(deltas, expected):
    assert wilcoxon_p_value(deltas) == pytest.approx(expected, nan_ok=True)
