"""Domains that say nothing: every row is given those of another row of its split."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from datasets.prepare import PreparedData

INCREMENT = np.uint64(0x9E3779B97F4A7C15)
MIXERS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))  # shift, multiplier


def domain_donors(data: PreparedData) -> NDArray[np.int64]:
    """For each row of a prepared log (N,) the position of the row whose domain is its placebo.

    A split is permuted in itself, by the order of the hashes of its rows. So as many rows of it
    have each domain, and each value of a domain column, as before, and nothing of a row's own
    domain is left. What a row is given depends on its position alone: it is the same for all models
    and seeds.
    """
    spans = (*data.split.values(), data.candidates)
    return np.concatenate([span.start + np.argsort(row_hashes(span)) for span in spans])


def row_hashes(rows: range) -> NDArray[np.uint64]:
    """A hash of each of these positions: output number i of SplitMix64 from the state 0.

    Paper: Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014,
        doi 10.1145/2660193.2660195; with variant 13 of the mixing function, by Stafford.
    """
    state = np.arange(rows.start + 1, rows.stop + 1, dtype=np.uint64) * INCREMENT  # wraps around
    for shift, multiplier in MIXERS:
        state = (state ^ (state >> np.uint64(shift))) * np.uint64(multiplier)
    return state ^ (state >> np.uint64(31))
