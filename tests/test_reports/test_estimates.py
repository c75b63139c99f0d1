"""Intervals of several components: by hand, against scipy, and consistent with each other."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from reports.statistics.estimates import NONE, UNKNOWN, Component, Estimate
from reports.statistics.paired_tests import minimum_detectable


def test_one_component_gives_students_interval_and_p_value():
    values = np.array([0.3, 1.1, -0.2, 0.8])
    found = Estimate(values.mean(), 4, Component(values.var(ddof=1) / 4, 3))

    expected = stats.ttest_1samp(values, 0.0)
    interval = expected.confidence_interval(0.9)
    assert found.p_value == pytest.approx(expected.pvalue)
    assert (found.interval(0.9).low, found.interval(0.9).high) == pytest.approx(
        (interval.low, interval.high)
    )
    assert found.freedom == 3
    assert found.detectable == pytest.approx(minimum_detectable(values))


def test_critical_value_of_two_components_is_the_worked_mean():
    found = Estimate(1.0, 3, Component(3.0, 2), Component(1.0, 19))

    # t(0.975, 2) = 4.302653, t(0.975, 19) = 2.093024, weighted 3 to 1
    assert found.error == 2.0
    assert found.shared == 1.0
    assert found.critical(0.025) == pytest.approx((3 * 4.302653 + 2.093024) / 4, abs=1e-6)
    assert found.interval().high == pytest.approx(1 + 2 * 3.750246, abs=1e-5)


@pytest.mark.parametrize("mean", [0.0, 0.4, -3.0, 50.0])
def test_p_value_is_the_level_of_the_interval_that_ends_at_zero(mean):
    found = Estimate(mean, 3, Component(0.5, 4), Component(0.3, 19), Component(0.2, 6))

    nearest = found.interval(1.0 - found.p_value)
    assert min(abs(nearest.low), abs(nearest.high)) == pytest.approx(0.0, abs=1e-6)


def test_p_value_of_a_huge_difference_is_tiny_and_of_none_is_one():
    found = Estimate(1e30, 3, Component(1.0, 200), Component(1.0, 100))

    assert 0.0 < found.p_value < 1e-200
    assert replace(found, mean=0.0).p_value == pytest.approx(1.0)


def test_freedom_is_that_of_the_same_critical_value():
    found = Estimate(0.0, 3, Component(1.0, 2), Component(1.0, 19))

    assert 2 < found.freedom < 19
    assert stats.t.isf(0.025, found.freedom) == pytest.approx(found.critical(0.025))


@pytest.mark.parametrize(
    "found",
    [
        Estimate(0.1, 3, Component(0.0, 2)),
        Estimate(0.1, 3, Component(1.0, 2), UNKNOWN),
        Estimate(0.1, 1, UNKNOWN, Component(1.0, 19)),
        Estimate(math.nan, 0, UNKNOWN),
    ],
)
def test_no_error_and_an_unknown_one_are_no_certainty(found):
    interval = found.interval()

    assert np.isnan([interval.low, interval.high, found.error, found.p_value]).all()
    assert np.isnan([found.freedom, found.detectable, found.critical(0.025)]).all()


def test_interval_ends_where_no_mean_can_be():
    found = Estimate(0.5, 2, Component(0.2, 1), limit=1.0)

    assert (found.interval().low, found.interval().high) == (-1.0, 1.0)


def test_more_seeds_reduce_their_own_component_alone():
    pooled = Component(0.8, 8)  # of three seeds and five models
    found = Estimate(0.1, 3, pooled, Component(0.3, 19), Component(0.1, 4)).over(6)

    assert found.num == 6
    assert found.replicates == Component(pytest.approx(0.4), pytest.approx(20))
    assert (found.rows.variance, found.tuning.variance) == (0.3, 0.1)
    assert NONE.variance == 0.0


def test_reach_is_found_about_as_often_as_the_power():
    found = Estimate(0.0, 5, Component(0.5, 16), Component(0.5, 19))
    random, times = np.random.default_rng(1), 4000
    size = found.reach(0.025)

    means = random.normal(size, found.error, times)
    parts = [0.5 * random.chisquare(f, times) / f for f in (16, 19)]
    power = np.mean(
        [
            Estimate(mean, 5, Component(one, 16), Component(two, 19)).interval().low > 0.0
            for mean, one, two in zip(means, *parts, strict=True)
        ]
    )

    assert power == pytest.approx(0.8, abs=0.03)
