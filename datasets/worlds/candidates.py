"""Draws the candidates of a simulated A/B test: items that compete with bids for an impression."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from datasets.worlds.domains import TEST_START
from datasets.worlds.world import Impressions

if TYPE_CHECKING:
    from datasets.worlds.sampling import Launched

PER_REQUEST = 10
ROWS_PER_REQUEST, MAX_REQUESTS = 128, 20_000
ITEM_BID_STD, BID_STD = 0.5, 0.3  # of the logarithm, between items and within one


class Candidates(NamedTuple):
    """Rows of competing impressions; those of a request are adjacent."""

    request_id: np.ndarray
    shown: Impressions
    bid: np.ndarray


def request_rows(num_rows: int, rng: np.random.Generator) -> np.ndarray:
    """Rows of the test period whose impressions become requests, rising.

    The first ones stay out: where rows of one second straddle the cut, the split moves it.
    """
    count = max(1, min(num_rows // ROWS_PER_REQUEST, MAX_REQUESTS))
    start = round(TEST_START * num_rows) + 2 + num_rows // 10_000
    return start + np.sort(rng.choice(num_rows - start, count, replace=False))


def make_candidates(
    requests: Impressions, arrival: Launched, rng: np.random.Generator
) -> Candidates:
    """The shown item and nine others that exist by then, all different, in random order."""
    count = len(requests.item)
    elapsed = np.repeat(requests.elapsed, PER_REQUEST)
    item = arrival.draw(elapsed, rng).reshape(count, PER_REQUEST)
    item[:, 0] = requests.item
    while len(again := _repeated(item)):
        item.flat[again] = arrival.draw(elapsed[again], rng)
    shuffled = rng.permuted(item, axis=1).ravel()
    row = np.repeat(np.arange(count), PER_REQUEST)
    item_bid = ITEM_BID_STD * rng.normal(size=len(arrival.launch))
    return Candidates(
        request_id=row,
        shown=requests.take(row)._replace(item=shuffled),
        bid=np.exp(item_bid[shuffled] + BID_STD * rng.normal(size=len(shuffled))),
    )


def _repeated(item: np.ndarray) -> np.ndarray:
    """Flat positions of items that stand earlier in their row."""
    order = np.argsort(item, axis=1, kind="stable")
    in_order = np.take_along_axis(item, order, axis=1)
    again = in_order[:, 1:] == in_order[:, :-1]
    row = np.nonzero(again)[0]
    return row * item.shape[1] + order[:, 1:][again]
