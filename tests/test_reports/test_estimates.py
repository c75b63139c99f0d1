"""Means with components of their variance: by hand, against scipy and regressions, in odd cases."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.formula.api import ols

from reports.statistics.estimates import (
    NOISY_LEVEL,
    NONE,
    POOLING_LEVEL,
    UNKNOWN,
    Component,
    Estimate,
    by_draw,
    own_component,
    pooled_component,
    tuning_component,
    two_way_estimate,
)
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


def table_of(seed, num_models=5, num=4):
    """Models that differ, in seeds that differ, with noise."""
    random = np.random.default_rng(seed)
    table = random.normal(size=(num_models, num)) + random.normal(size=num)
    return table + np.arange(num_models)[:, np.newaxis]


def residual_mean_square(table):
    """That of a regression on models and replicates."""
    cells = [(str(m), str(s), value) for (m, s), value in np.ndenumerate(table)]
    frame = pd.DataFrame(cells, columns=["model", "seed", "score"])
    fit = ols("score ~ C(model) + C(seed)", frame).fit()
    return fit.mse_resid, fit.df_resid


def test_pooled_variance_is_the_residual_mean_square_of_models_and_seeds(monkeypatch):
    monkeypatch.setattr("reports.statistics.estimates.POOLING_LEVEL", 0.0)
    table = table_of(1)

    found = pooled_component(table)

    expected, freedom = residual_mean_square(table)
    assert found.variance == pytest.approx(2.0 * expected / 4)
    assert found.freedom == freedom == 4 * 3


@pytest.mark.parametrize("factor", [0.1, 1.0, 2.0, 9.0])
def test_pooling_is_refused_by_the_f_test_of_the_difference_against_the_rest(factor):
    table = table_of(2)
    table[0] = table[1] + factor * np.random.default_rng(3).normal(size=4)
    deltas = table[0] - table[1]

    found = pooled_component(table)

    mean_square, freedom = residual_mean_square(table)
    of_own = deltas.var(ddof=1) / 2
    of_rest = (mean_square * freedom - 3 * of_own) / 9
    is_refused = stats.f.sf(of_own / of_rest, 3, 9) < POOLING_LEVEL
    assert (found == own_component(deltas)) == is_refused
    assert is_refused or factor < 9.0
    assert not is_refused or factor > 0.1


@pytest.mark.parametrize("factor", [1.0, 3.0, 30.0])
def test_third_model_that_is_noisier_than_the_others_is_left_out(monkeypatch, factor):
    monkeypatch.setattr("reports.statistics.estimates.POOLING_LEVEL", 0.0)
    table = table_of(3, 6, 5)
    table[4] = table[4].mean() + factor * (table[4] - table[4].mean())

    found = pooled_component(table)

    without = np.delete(table, 4, axis=0)
    (square, freedom), (rest, rest_freedom) = map(residual_mean_square, (table, without))
    ratio = (square * freedom - rest * rest_freedom) / (freedom - rest_freedom) / rest
    is_out = stats.f.sf(ratio, 4, 16) < NOISY_LEVEL
    assert found.variance == pytest.approx(2 / 5 * (rest if is_out else square))
    assert found.freedom == (16 if is_out else 20)
    assert is_out == (factor == 30.0)


def test_of_three_models_none_is_left_out(monkeypatch):
    monkeypatch.setattr("reports.statistics.estimates.POOLING_LEVEL", 0.0)
    table = table_of(4, 3)
    table[2] *= 100.0

    assert pooled_component(table).freedom == 2 * 3


@pytest.mark.parametrize("table", [table_of(3, 2), table_of(3, 5, 1)])
def test_spread_is_the_differences_own_where_there_is_nothing_to_pool(table):
    assert str(pooled_component(table)) == str(own_component(table[0] - table[1]))


def test_models_that_differ_by_constants_leave_no_variance():
    table = 0.1 * np.array([1, 2, 3, 4])[:, np.newaxis] + np.zeros(4)

    assert pooled_component(table).variance == 0.0


def test_pooling_survives_a_deterministic_pair():
    table = table_of(4)
    table[0], table[1] = 0.7, 0.6

    assert own_component(table[0] - table[1]).variance == 0.0
    assert pooled_component(table).variance > 0.0


def test_tuning_component_is_the_worked_one():
    differences = np.array([[3.0, 5.0], [1.0, 1.0], [-1.0, 3.0]])

    found = tuning_component(differences)

    # Less the means 1 and 3 of the seeds: rows (2, 2), (0, -2), (-2, 0), means 2, -1, -1. Of models
    # 2 * 6 / 2 = 6, residual (0 + 2 + 2) / (2 * 1) = 2: 2 * (6 - 2) / (2 * 2) of a difference.
    assert found == Component(pytest.approx(2.0), 2)


def test_tuning_that_moves_all_models_alike_is_none_and_noise_is_not_tuning():
    alike = np.full((4, 3), 0.2)
    noise = np.array([[1.0, -1.0], [-1.0, 1.0], [0.5, -0.5]])

    assert tuning_component(alike).variance == 0.0
    assert tuning_component(noise).variance == 0.0


@pytest.mark.parametrize(
    "differences", [np.zeros((1, 3)), np.zeros((3, 1)), np.array([[0.1, np.nan], [0.2, 0.3]])]
)
def test_tuning_of_too_little_is_unknown(differences):
    assert np.isnan(tuning_component(differences).variance)


def test_tuning_component_is_unbiased_where_it_is_not_cut_off():
    random = np.random.default_rng(5)
    found = []
    for _ in range(4000):
        moved = random.normal(0.0, 2.0, (2, 6, 1)) + random.normal(0.0, 1.0, (2, 6, 5))
        found.append(tuning_component(moved[0] - moved[1]).variance)

    assert np.mean(found) == pytest.approx(2 * 2.0**2, rel=0.05)  # 7 standard errors


def test_several_draws_are_judged_by_their_spread_alone():
    values, draws = np.array([1.0, 3.0, 2.0, 4.0, 6.0, 8.0]), [1, 1, 2, 2, 3, 3]

    found = two_way_estimate(values, lambda: pytest.fail("rows of one log"), draws)

    assert by_draw(values, draws).tolist() == [2.0, 3.0, 7.0]
    assert (found.mean, found.num, found.rows) == (4.0, 3, NONE)
    assert found.replicates == Component(pytest.approx(7 / 3), 2)


def test_spread_of_draws_is_pooled_over_the_means_of_draws():
    table, draws = table_of(6, 5, 6), [1, 1, 2, 2, 3, 3]

    found = two_way_estimate(table[0] - table[1], lambda: NONE, draws, table=table)

    assert by_draw(table, draws).shape == (5, 3)
    assert found.replicates == pooled_component(by_draw(table, draws))


@pytest.mark.parametrize("values", [[], [0.1], [0.1, np.nan]])
def test_too_few_and_undefined_values_have_no_error(values):
    found = two_way_estimate(np.array(values), lambda: Component(1.0, 19))

    assert found.replicates is UNKNOWN
    assert np.isnan(found.error)
    assert found.mean == pytest.approx(np.mean(values) if values else np.nan, nan_ok=True)
