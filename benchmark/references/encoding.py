"""Target encoding: a code becomes the smoothed click rate of the train rows that have it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmark.references.rows import labels_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmark.references.rows import Feature, Floats, Rows

NUM_FOLDS = 5


@dataclass(frozen=True, slots=True)
class TargetEncoding:
    """The click rate of every code of every feature, and that of all rows they come from."""

    features: tuple[Feature, ...]
    rates: tuple[Floats, ...]  # per feature (size,)
    prior: float

    def __call__(self, rows: Rows) -> Floats:
        """Encode rows (N, C) as (N, F); a bag is the mean of its slots, the prior if empty."""
        encoded = np.empty((len(rows), len(self.features)))
        for place, (feature, rate) in enumerate(zip(self.features, self.rates, strict=True)):
            codes = rows[:, feature.columns]  # (N, M)
            is_filled = codes >= 0
            total = np.where(is_filled, rate[codes], 0.0).sum(axis=1)  # (N, M) -> (N,)
            count = is_filled.sum(axis=1)
            encoded[:, place] = np.where(count > 0, total / np.maximum(count, 1), self.prior)
        return encoded


def fit_encoding(features: tuple[Feature, ...], rows: Rows, smoothing: float) -> TargetEncoding:
    """Rates (clicks + smoothing * prior) / (impressions + smoothing), from these rows alone.

    Every filled slot of a bag counts as one impression of its code. A code without impressions has
    the prior, the click rate of all rows.
    """
    label = labels_of(rows)
    prior = float(label.mean())
    rates = []
    for feature in features:
        codes = rows[:, feature.columns]  # (N, M)
        row, slot = np.nonzero(codes >= 0)
        filled = codes[row, slot]
        impressions = np.bincount(filled, minlength=feature.size)
        clicks = np.bincount(filled, weights=label[row], minlength=feature.size)
        rates.append((clicks + smoothing * prior) / (impressions + smoothing))
    return TargetEncoding(features, tuple(rates), prior)


def seeded_folds(num_rows: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """A fold (N,) for every row, at random and of equal sizes.

    Folds of consecutive rows would hold all rows of a value that is new in one of them, and encode
    it there as unseen, although dev and test see its rate: the model would learn from another
    feature than it is given later.
    """
    folds: NDArray[np.int64] = generator.permutation(num_rows) % NUM_FOLDS
    return folds


def encode_out_of_fold(
    features: tuple[Feature, ...], rows: Rows, smoothing: float, folds: NDArray[np.int64]
) -> Floats:
    """Encode every row (N, F) by the rates of the rows in other folds, so never by its own label.

    Encoded by rates that hold its own click, a rare value would predict the label that it was
    trained on.
    """
    encoded = np.empty((len(rows), len(features)))
    for fold in range(NUM_FOLDS):
        is_own = folds == fold
        encoding = fit_encoding(features, rows[~is_own], smoothing)
        encoded[is_own] = encoding(rows[is_own])
    return encoded
