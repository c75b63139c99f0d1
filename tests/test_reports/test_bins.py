"""Bins of equal train impressions: worked by hand, and where they must not depend on order."""

import numpy as np
import pandas as pd
import pytest

from reports.statistics.bins import TRAIN_GROUPS, bins_of, train_groups_by_domain


@pytest.mark.parametrize(
    ("impressions", "expected"),
    [
        ([50, 20, 10, 10, 5, 5, 0], [2, 4, 4, 5, 5, 5, 5]),  # middles 25, 60, 75, 85, 92.5, 97.5
        ([10] * 10, [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]),
        ([1, 1, 1, 1, 1], [1, 2, 3, 4, 5]),
        ([7], [3]),
        ([0, 0], [1, 1]),
    ],
)
def test_domain_is_in_the_bin_of_the_middle_of_its_impressions(impressions, expected):
    assert bins_of(impressions).tolist() == expected


def test_bins_of_many_domains_hold_a_fifth_each():
    impressions = np.random.default_rng(1).zipf(1.6, 5000).clip(max=2000)

    shares = np.bincount(bins_of(impressions), weights=impressions, minlength=6)[1:]

    assert shares / impressions.sum() == pytest.approx([0.2] * 5, abs=0.01)


def test_order_of_domains_does_not_move_unequal_ones():
    impressions = np.array([4, 100, 50, 30, 3, 7, 2, 80])
    order = np.random.default_rng(2).permutation(len(impressions))

    assert (bins_of(impressions[order]) == bins_of(impressions)[order]).all()


def test_groups_by_train_rows_are_those_of_their_names():
    domains = pd.DataFrame({"train_impressions": [0, 1, 99, 100, 5_000]})

    assert next(iter(TRAIN_GROUPS)) == "no train rows"
    assert train_groups_by_domain(domains).tolist() == [1, 2, 2, 3, 3]
