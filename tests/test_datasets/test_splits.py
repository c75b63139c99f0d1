from __future__ import annotations

import numpy as np
import pytest

from datasets.encoding.splits import by_shuffle, by_time
from datasets.spec import DataError


def test_by_time_cuts_four_to_one_to_one():
    order = by_time(np.arange(12)[::-1].copy(), "log")

    assert order.order.tolist() == list(range(12))[::-1]
    assert order.ranges() == {"train": range(8), "dev": range(8, 10), "test": range(10, 12)}


def test_by_time_is_stable():
    order = by_time(np.array([2, 1, 2, 1, 3, 4]), "log")

    assert order.order.tolist() == [1, 3, 0, 2, 4, 5]


@pytest.mark.parametrize(
    ("keys", "bounds"),
    [
        ([0, 1, 2, 3, 4, 5, 6, 7, 7, 7, 8, 9], (7, 10, 12)),  # cut 8 is nearer to 7 than to 10
        ([0, 1, 2, 3, 4, 5, 5, 5, 5, 6, 7, 8], (9, 10, 12)),  # cut 8 is nearer to 9 than to 5
        ([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9], (8, 9, 12)),
    ],
)
def test_by_time_keeps_equal_timestamps_together(keys, bounds):
    assert by_time(np.array(keys), "log").bounds == bounds


def test_by_time_with_one_timestamp_is_an_error():
    with pytest.raises(DataError, match=r"split \w+ of the 4:1:1 split would be empty"):
        by_time(np.zeros(60, dtype=np.int64), "log")


def test_by_shuffle_is_seeded():
    first, again, other = (by_shuffle(60, seed, "log") for seed in (0, 0, 1))

    assert first.order.tolist() == again.order.tolist()
    assert first.order.tolist() != other.order.tolist()
    assert sorted(first.order.tolist()) == list(range(60))
    assert first.kind == "shuffle"


def test_by_shuffle_of_too_few_rows_is_an_error():
    with pytest.raises(DataError, match="has 3 rows"):
        by_shuffle(3, 0, "log")


@pytest.mark.parametrize("cap", [None, 40, 1000])
def test_keep_latest_without_need_changes_nothing(cap):
    order = by_time(np.arange(60), "log")

    assert order.keep_latest(cap).bounds == order.bounds
