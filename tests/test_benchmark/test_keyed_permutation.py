"""The keyed permutation: a bijection of any length, and as random as its docstring says."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch
from scipy import stats

from benchmark.training.keyed_permutation import ROUNDS, KeyedPermutation
from benchmark.training.seeding import generator

NUM_KEYS = 7_200
LIKELY = 1e-4  # a p-value that chance goes below once in ten thousand tests


def orders_of(n: int, rounds: int = ROUNDS) -> np.ndarray:
    """The orders (NUM_KEYS, n) of successive permutations from one generator."""
    draws, places = generator(0, "keys"), torch.arange(n)
    orders = [KeyedPermutation(n, draws, rounds)(places) for _ in range(NUM_KEYS)]
    return torch.stack(orders).numpy()


def p_of_pairs(orders: np.ndarray, i: int, j: int) -> float:
    """The p-value of all pairs of numbers at two places being equally frequent."""
    n = orders.shape[1]
    counts = np.bincount(orders[:, i] * n + orders[:, j], minlength=n * n).reshape(n, n)
    return stats.chisquare(counts[~np.eye(n, dtype=bool)]).pvalue


@pytest.fixture(scope="module")
def orders() -> np.ndarray:
    return orders_of(30)


@pytest.mark.parametrize("low", range(1, 401, 100))
def test_every_number_comes_once_for_every_small_length(low: int) -> None:
    for n in range(low, low + 100):
        order = KeyedPermutation(n, generator(n, "key"))(torch.arange(n))

        assert order.sort().values.tolist() == list(range(n))


@pytest.mark.parametrize("n", np.random.default_rng(0).integers(10**5, 3 * 10**6, 6).tolist())
def test_every_number_comes_once_for_large_lengths(n: int) -> None:
    permutation = KeyedPermutation(n, generator(n, "key"))

    order = torch.cat([permutation(places) for places in torch.arange(n).split(1 << 16)])

    assert order.dtype == torch.int64
    assert torch.equal(torch.bincount(order, minlength=n), torch.ones(n, dtype=torch.int64))


@pytest.mark.parametrize("n", [1_500_000_000, 2**40 + 1])
def test_lengths_beyond_int32_give_numbers_within_and_hold_their_square_root(n: int) -> None:
    permutation = KeyedPermutation(n, generator(0, "key"))
    held = sum(table.numel() for pair in permutation.tables for table in pair)

    numbers = permutation(torch.arange(n - 100_000, n))

    assert held < 17 * n**0.5
    assert len(numbers.unique()) == 100_000
    assert 0 <= numbers.min() < n // 1_000 < n - n // 1_000 < numbers.max() < n


@pytest.mark.slow
@pytest.mark.parametrize("n", [3, 4, 5, 6])
def test_every_order_of_few_rows_is_equally_frequent(n: int) -> None:
    orders = orders_of(n)

    counts = [(orders == order).all(axis=1).sum() for order in permutations(range(n))]

    assert sum(counts) == NUM_KEYS
    assert stats.chisquare(counts).pvalue > LIKELY


@pytest.mark.parametrize("place", [0, 1, 17, 29])
def test_every_row_is_equally_frequent_at_a_place(orders, place: int) -> None:
    counts = np.bincount(orders[:, place], minlength=30)

    assert stats.chisquare(counts).pvalue > LIKELY


@pytest.mark.parametrize(("i", "j"), [(0, 1), (28, 29), (0, 6), (1, 7), (3, 20)])
def test_every_pair_of_rows_is_equally_frequent_at_two_places(orders, i, j) -> None:
    assert p_of_pairs(orders, i, j) > LIKELY


@pytest.mark.parametrize(("i", "j"), [(0, 1), (0, 6), (1, 7), (3, 20)])
def test_either_of_two_rows_comes_first_as_often(orders, i: int, j: int) -> None:
    first = (orders.argsort(axis=1)[:, [i, j]] * [1, -1]).sum(axis=1) < 0

    assert stats.binomtest(int(first.sum()), NUM_KEYS).pvalue > LIKELY


@pytest.mark.slow
def test_odd_permutations_are_as_frequent_as_even_ones() -> None:
    orders = orders_of(9)  # of 3 x 4 numbers; by 3 x 3 all would be even

    inversions = np.triu(orders[:, :, None] > orders[:, None, :]).sum(axis=(1, 2))

    assert stats.binomtest(int((inversions % 2).sum()), NUM_KEYS).pvalue > LIKELY


@pytest.mark.slow
def test_pairs_show_that_four_rounds_are_too_few() -> None:
    assert p_of_pairs(orders_of(30, rounds=4), 0, 6) < LIKELY


def test_rows_side_by_side_do_not_stay_near_each_other() -> None:
    n = 1_000_003
    order = KeyedPermutation(n, generator(0, "key"))(torch.arange(n)).double()

    for lag in (1, 2, 1_000, 1_001, 1_002):  # 1,001 and 1,000 are its moduli
        pair = torch.stack([order[:-lag], order[lag:]])
        assert abs(torch.corrcoef(pair)[0, 1]) < 4 / n**0.5
        apart = (pair[0] - pair[1]).abs() / n  # of uniform places: density 2 - 2x
        assert stats.kstest(apart[::7], lambda x: 2 * x - x * x).pvalue > LIKELY


def test_epochs_differ_and_equal_generators_agree() -> None:
    n, places, draws = 100_000, torch.arange(100_000), generator(0, "key")

    first, second = (KeyedPermutation(n, draws)(places) for _ in range(2))

    assert (first == second).sum() < 10  # about Poisson with mean 1
    assert abs(torch.corrcoef(torch.stack([first, second]).double())[0, 1]) < 4 / n**0.5
    assert torch.equal(KeyedPermutation(n, generator(0, "key"))(places), first)
    assert not torch.equal(KeyedPermutation(n, generator(1, "key"))(places), first)
