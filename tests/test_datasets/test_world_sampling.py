"""What worlds are drawn with: normal scores by weight, assigned values, launched things."""

from __future__ import annotations

import numpy as np
import pytest

from datasets.worlds.sampling import (
    Launched,
    assign,
    blend,
    exponential_shares,
    normal_scores,
    power_shares,
    whitening,
)


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def test_normal_scores_of_equal_weights_are_quantiles_in_random_order(rng):
    scores = normal_scores(np.ones(4), 2, rng)

    # quantiles of 1/8, 3/8, 5/8, 7/8 by their root mean square
    expected = np.array([-1.150349, -0.318639, 0.318639, 1.150349]) / 0.844059
    assert np.allclose(np.sort(scores, axis=0), expected[:, None], atol=1e-5)


def test_normal_scores_give_a_thing_of_much_weight_no_extreme(rng):
    weight = np.array([0.4, *np.full(60, 0.01)])

    scores = np.array([normal_scores(weight, 1, rng)[:, 0] for _ in range(200)])

    assert np.abs(scores[:, 0]).max() < 1.2
    assert np.abs(scores[:, 1:]).max() > 2.5
    assert np.allclose(scores @ weight, 0.0)
    assert np.allclose(scores**2 @ weight, 1.0)


def test_assigned_values_have_their_shares(rng):
    thing, share = exponential_shares(500), power_shares(20, 0.7)

    value = assign(thing, share, rng)

    assert np.abs(np.bincount(value, thing) - share).max() <= thing.max()


def test_blend_has_the_stated_parts(rng):
    weight = power_shares(3_000, 0.5)
    group = assign(weight, power_shares(40, 0.5), rng)

    blended = blend([(0.7, group), (0.3, np.arange(3_000))], weight, 3, rng)

    mean = [
        np.bincount(group, weight * column) / np.bincount(group, weight) for column in blended.T
    ]
    between = weight @ np.column_stack(mean)[group] ** 2
    assert weight @ blended**2 == pytest.approx(np.ones(3), abs=0.1)
    assert between == pytest.approx(np.full(3, 0.7), abs=0.06)


def test_whitening_makes_columns_uncorrelated(rng):
    weight = power_shares(200, 0.5)
    values = rng.normal(size=(200, 3)) @ rng.normal(size=(3, 3))
    values -= weight @ values

    white = values @ whitening(values, weight)

    assert np.allclose(white.T @ (weight[:, None] * white), np.eye(3))


def test_things_of_a_group_are_drawn_by_their_shares(rng):
    share = np.array([0.3, 0.1, 0.2, 0.4])
    arrival = Launched(share, np.array([0.0, 0.5, 0.0, 0.0]), np.array([2, 2]))
    elapsed = np.repeat([0.2, 0.8], 40_000)
    group = np.tile([0, 1], 40_000)

    drawn = arrival.draw(elapsed, rng, group)

    assert (drawn // 2 == group).all()
    late, second = (group == 0) & (elapsed > 0.5), group == 1
    assert (drawn[(group == 0) & ~late] == 0).all()
    assert (drawn[late] == 1).mean() == pytest.approx(0.25, abs=0.015)
    assert (drawn[second] == 3).mean() == pytest.approx(2 / 3, abs=0.015)
    assert arrival.exposure == pytest.approx(np.array([0.3, 0.05, 0.2, 0.4]) / 0.95)
