"""What all searches on a backbone try alike: drawn by search and index alone, as ranges declare."""

import math

import numpy as np
import pytest

from benchmark.planning.hyperparameters import (
    REGULARISERS,
    own_space,
    shared_space,
    shared_values,
    value_at,
)
from benchmark.references.registry import REFERENCES
from models.interfaces import Choice, Range, search_space
from models.registry import available, load_backbone

RANGES = [
    Range(low=1, high=4),
    Range(low=8, high=128, log=True),
    Range(low=1e-8, high=1e-4, log=True),
    Range(low=0.0, high=0.3),
    Choice((16, None, 64)),
]
SHARES = np.linspace(0.0, 1.0, 60_000, endpoint=False).tolist()


def test_networks_share_structure_and_regularisers_and_references_nothing():
    regularisers = [f"regularisers.{name}" for name in REGULARISERS]

    assert list(shared_space("dnn")) == regularisers
    structure = [f"backbone.{name}" for name in search_space(load_backbone("dcnv2").config)]
    assert list(shared_space("dcnv2")) == [*structure, *regularisers]
    assert [shared_space(name) for name in REFERENCES] == [{}] * len(REFERENCES)
    assert all(
        name.startswith("method.") for m in available("methods") for name in own_space("dnn", m)
    )


@pytest.mark.parametrize("backbone", available("backbones"))
def test_shared_values_are_in_their_space_and_follow_from_search_and_index(backbone):
    space = shared_space(backbone)

    for index in range(1, 200):
        values = shared_values(backbone, 1, index)
        assert list(values) == list(space)
        assert values == shared_values(backbone, 1, index)
        for name, where in space.items():
            if isinstance(where, Choice):
                assert values[name] in where.values
            else:
                is_zero = name.startswith("regularisers.") and values[name] == 0.0
                assert is_zero or where.low <= values[name] <= where.high


def test_regularisers_are_the_same_on_every_backbone():
    for index in range(1, 20):
        alike = shared_values("dnn", 1, index)
        other = shared_values("dcnv2", 1, index)
        assert alike.items() <= other.items()


@pytest.mark.parametrize("where", RANGES, ids=str)
def test_a_share_of_a_range_is_that_of_its_values(where):
    values = [value_at(where, share) for share in SHARES]

    if isinstance(where, Choice):
        assert [values.count(value) for value in where.values] == [len(SHARES) / 3] * 3
        return
    is_whole = isinstance(where.low, int)
    assert (min(values), max(values)) == pytest.approx((where.low, where.high), rel=1e-3, abs=1e-4)
    assert all(isinstance(value, int if is_whole else float) for value in values)
    scale = math.log if where.log else float
    margin = 0.5 if is_whole else 0.0
    low, high = scale(where.low - margin), scale(where.high + margin)
    for limit in {where.low, where.high, (where.low + where.high) / 2}:
        at_most = math.floor(limit) + margin if is_whole else limit
        share = np.mean([value <= limit for value in values])
        assert share == pytest.approx((scale(at_most) - low) / (high - low), abs=1e-3)


def test_regularisers_are_zero_half_of_the_time_and_else_in_their_range():
    draws = [shared_values("dnn", 1, index) for index in range(4000)]
    zeros = []
    for name, where in REGULARISERS.items():
        values = np.array([draw[f"regularisers.{name}"] for draw in draws])
        zeros.append(values == 0.0)
        kept = values[values > 0.0]
        middle = (where.low * where.high) ** 0.5 if where.log else (where.low + where.high) / 2
        assert zeros[-1].mean() == pytest.approx(0.5, abs=0.03)
        assert where.low <= kept.min() < kept.max() <= where.high
        assert (kept < middle).mean() == pytest.approx(0.5, abs=0.04)
    assert np.logical_and.reduce(zeros).mean() == pytest.approx(1 / 8, abs=0.02)  # independent


def test_structure_is_drawn_evenly_and_apart_from_the_regularisers():
    draws = [shared_values("dcnv2", 1, index) for index in range(4000)]

    for name, where in search_space(load_backbone("dcnv2").config).items():
        values = [draw[f"backbone.{name}"] for draw in draws]
        options = where.values if isinstance(where, Choice) else range(where.low, where.high + 1)
        for option in options:
            assert values.count(option) / 4000 == pytest.approx(1 / len(options), abs=0.03)
        has_dropout = np.array([draw["regularisers.dropout"] > 0.0 for draw in draws])
        is_first = np.array([value == options[0] for value in values])
        assert is_first[has_dropout].mean() == pytest.approx(is_first.mean(), abs=0.03)
