"""Fieller's set for a share: against tests that are inverted on a grid, and how often it holds."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from reports.statistics.estimates import UNKNOWN, Component, Estimate, own_component, share_of

NAMES = ("part", "whole", "rest")


def estimate_of(values: np.ndarray) -> Estimate:
    return Estimate(float(values.mean()), values.size, own_component(values))


def with_freedom(found: Estimate, freedom: float) -> Estimate:
    return replace(found, replicates=replace(found.replicates, freedom=freedom))


def estimates(parts: np.ndarray, wholes: np.ndarray) -> tuple[Estimate, Estimate, Estimate]:
    part, whole, rest = map(estimate_of, (parts, wholes, wholes - parts))
    return part, whole, rest


def drawn(random: np.random.Generator, share: float, noise: float, num: int) -> tuple:
    """A whole of mean 1, of which a part is a share, with errors that are not independent."""
    common = random.normal(size=num)
    wholes = 1.0 + noise * common
    parts = share + noise * (0.6 * common + 0.5 * random.normal(size=num))
    return estimates(parts, wholes)


@pytest.mark.parametrize("share", [-0.4, 0.0, 0.7, 1.3])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_set_is_what_paired_t_tests_do_not_reject(share: float, sign: float) -> None:
    random = np.random.default_rng(3)
    wholes = sign * (1.0 + 0.3 * random.normal(size=6))
    parts = share * wholes + 0.2 * random.normal(size=6)

    found = share_of(*estimates(parts, wholes))

    grid = np.linspace(-4.0, 6.0, 20_001)
    residuals = parts[:, np.newaxis] - wholes[:, np.newaxis] * grid  # (6, thetas)
    kept = grid[stats.ttest_1samp(residuals, 0.0).pvalue >= 0.05]
    assert np.diff(kept).max() < 2 * (grid[1] - grid[0])  # one interval, within the grid
    assert found.low == pytest.approx(kept[0], abs=1e-3)
    assert found.high == pytest.approx(kept[-1], abs=1e-3)
    assert found.mean == parts.mean() / wholes.mean()
    assert found.low < found.mean < found.high


def test_whole_that_is_not_told_from_0_has_no_share() -> None:
    wholes = np.array([0.3, -0.2, 0.5, -0.1])

    found = share_of(*estimates(0.5 * wholes + [0.1, 0.0, 0.0, 0.2], wholes))

    assert stats.ttest_1samp(wholes, 0.0).pvalue > 0.05
    assert all(math.isnan(value) for value in (found.mean, found.low, found.high))


@pytest.mark.parametrize("name", NAMES)
def test_share_is_undefined_without_an_error(name: str) -> None:
    found = dict(zip(NAMES, drawn(np.random.default_rng(1), 0.5, 0.1, 5), strict=True))
    found[name] = replace(found[name], replicates=UNKNOWN)

    share = share_of(**found)

    assert math.isnan(share.mean)
    assert math.isnan(share.low)


def test_quantile_has_the_smallest_degrees_of_freedom() -> None:
    part, whole, rest = drawn(np.random.default_rng(1), 0.5, 0.1, 5)

    few = share_of(with_freedom(part, 2.0), whole, rest)
    same = share_of(*(with_freedom(found, 2.0) for found in (part, whole, rest)))

    assert few == same
    assert few.high - few.low > share_of(part, whole, rest).high - share_of(part, whole, rest).low


def test_errors_that_do_not_agree_leave_an_interval() -> None:
    one = Estimate(0.6, 6, Component(0.01, 5.0))
    rest = Estimate(0.4, 6, Component(0.25, 5.0))

    found = share_of(one, replace(one, mean=1.0), rest)

    assert found.low < found.mean < found.high


def test_a_part_that_is_the_whole_is_all_of_it() -> None:
    whole = Estimate(1.1, 4, Component(0.01, 3.0))

    found = share_of(whole, whole, Estimate(0.0, 4, Component(1e-18, 3.0)))

    assert (found.low, found.mean, found.high) == pytest.approx((1.0, 1.0, 1.0), abs=1e-6)
