"""Results that a report keeps: told apart, within a budget of bytes, and none of a large one."""

from dataclasses import dataclass

import numpy as np
import pytest
from cachetools import LRUCache

from reports.statistics import kept as keeping
from reports.statistics.kept import kept, num_bytes


@dataclass(frozen=True, slots=True)
class Pair:
    """Two arrays and a name."""

    left: np.ndarray
    right: tuple[np.ndarray, ...]
    name: str = "pair"


@pytest.fixture
def calls(monkeypatch):
    """The sizes of the arrays that were made, by two functions that keep 100 bytes together."""
    monkeypatch.setattr(keeping, "_CACHE", LRUCache(100, getsizeof=num_bytes))
    return []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.zeros(3, np.float32), 12),
        (Pair(np.zeros(2, np.int8), (np.zeros(3, np.int16), np.zeros(1))), 16),
        ({"a": np.zeros(4, np.int8), "b": (np.zeros(1), None)}, 12),
        (0.5, 0),
    ],
)
def test_bytes_are_those_of_all_arrays(value, expected):
    assert num_bytes(value) == expected


def test_results_are_kept_until_the_budget_is_reached(calls):
    @kept
    def zeros(size):
        calls.append(size)
        return np.zeros(size, np.int8)

    sizes = [40, 50, 40, 60, 40, 50]  # 60 takes the place of 50
    found = [zeros(size).size for size in sizes]

    assert found == sizes
    assert calls == [40, 50, 60, 50]


def test_a_result_beyond_the_budget_is_made_each_time(calls):
    @kept
    def zeros(size):
        calls.append(size)
        return np.zeros(size, np.int8)

    zeros(30)
    zeros(101)
    zeros(101)
    zeros(30)

    assert calls == [30, 101, 101]


def test_results_of_functions_are_told_apart_and_equal_keys_are_not(calls):
    @kept
    def ones(size):
        return np.ones(size, np.int8)

    def digits(number):
        calls.append(number)
        return np.zeros(number, np.int8)

    kept_digits = kept(digits, key=lambda number: number % 10)

    assert ones(4).sum() == 4
    assert kept_digits(4).sum() == 0
    assert kept_digits(14).size == 4
    assert calls == [4]
