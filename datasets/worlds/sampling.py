"""Shares of ranked things, and draws among those that already exist."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import norm

if TYPE_CHECKING:
    from collections.abc import Iterable

EXTREME = 1e-4  # normal scores end at this quantile, 3.7 standard deviations from the mean


class Launched:
    """Draws by share among what was launched before each moment, of all things or of a group.

    Things of a group follow each other, and the first of each is there from the beginning on.
    """

    def __init__(
        self, share: np.ndarray, launch: np.ndarray, sizes: np.ndarray | None = None
    ) -> None:
        sizes = np.array([len(share)]) if sizes is None else sizes  # of the groups
        self._last = np.cumsum(sizes) - 1
        self.launch = launch  # (things,) share of the log that comes before the first
        self.launch[self._last - sizes + 1] = 0.0
        weight = share * (1.0 - self.launch)
        self.exposure = weight / weight.sum()  # (things,) share of all impressions
        ends = [np.cumsum(part) for part in np.split(share, self._last[:-1] + 1)]
        # (things,) the group's place, plus the share of the group's things up to here
        self._ends = np.concatenate([place + part / part[-1] for place, part in enumerate(ends)])

    def draw(
        self, elapsed: np.ndarray, rng: np.random.Generator, group: np.ndarray | None = None
    ) -> np.ndarray:
        """One thing for each moment, of its group; what is not there yet is drawn again."""
        group = np.zeros(len(elapsed), dtype=np.int64) if group is None else group
        drawn = self._any(group, rng)
        early = np.flatnonzero(self.launch[drawn] > elapsed)
        while len(early):
            drawn[early] = self._any(group[early], rng)
            early = early[self.launch[drawn[early]] > elapsed[early]]
        return drawn

    def _any(self, group: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        wanted = group + rng.random(len(group))
        order = np.argsort(wanted)  # a search in order reads memory in order: four times as fast
        found = np.empty(len(group), dtype=np.int64)
        found[order] = np.searchsorted(self._ends, wanted[order], side="right")
        return np.minimum(found, self._last[group])  # group + 0.99... may round up


def power_shares(size: int, exponent: float, shift: float = 1.0) -> np.ndarray:
    """Shares that fall as a power of the rank, Zipf's law with a shift."""
    weight = (np.arange(size) + shift) ** -exponent
    return weight / weight.sum()


def exponential_shares(size: int) -> np.ndarray:
    """Shares, falling, whose sizes are distributed exponentially."""
    weight = -np.log((np.arange(size) + 0.5) / size)
    return weight / weight.sum()


def assign(
    thing_exposure: np.ndarray, value_share: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """A value for each thing, so that values have their shares of the impressions.

    No value misses its share by more than the exposure of one thing.
    """
    order = rng.permutation(len(thing_exposure))
    middle = _middles(thing_exposure[order])
    value = np.empty(len(order), dtype=np.int64)
    value[order] = np.minimum(
        np.searchsorted(np.cumsum(value_share), middle, side="right"), len(value_share) - 1
    )
    return value


def normal_scores(weight: np.ndarray, num: int, rng: np.random.Generator) -> np.ndarray:
    """Normal quantiles of things in random orders, (things, num), of unit variance by weight.

    Each column gives a thing the quantile of its place among the weights. So a thing of much weight
    is near the middle, and no draw of the orders makes a column wide or narrow.
    """
    scores = np.empty((len(weight), num))
    for column in range(num):
        order = rng.permutation(len(weight))
        scores[order, column] = norm.ppf(np.clip(_middles(weight[order]), EXTREME, 1 - EXTREME))
    return standardize(scores, weight)


def blend(
    parts: Iterable[tuple[float, np.ndarray]],
    weight: np.ndarray,
    num: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Sums of normal scores of what things are: (things, num), each part with its variance.

    A part is its share of the variance and a number for each thing; things of one number are alike.
    """
    total = np.zeros((len(weight), num))
    for part, index in parts:
        total += np.sqrt(part) * normal_scores(np.bincount(index, weight), num, rng)[index]
    return total


def standardize(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Zero mean and unit variance per column, by weight; a column of one value becomes zero."""
    centred = values - np.average(values, axis=0, weights=weight)
    deviation = np.sqrt(np.average(centred**2, axis=0, weights=weight))
    return np.divide(centred, deviation, out=np.zeros_like(centred), where=deviation > 1e-9)


def whitening(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The symmetric matrix that makes centred columns uncorrelated and of unit variance."""
    covariance = values.T @ (values * (weight / weight.sum())[:, None])
    variance, axes = np.linalg.eigh(covariance)
    return (axes / np.sqrt(variance)) @ axes.T


def _middles(weight: np.ndarray) -> np.ndarray:
    """The middle of each thing's part of the unit interval."""
    return (np.cumsum(weight) - weight / 2) / weight.sum()


def noisy_bins(values: np.ndarray, num_bins: int, rng: np.random.Generator) -> np.ndarray:
    """Equal-frequency bins of values that are seen through noise, of half their deviation."""
    seen = standardize(values, np.ones(len(values))) + 0.5 * rng.normal(size=len(values))
    return np.argsort(np.argsort(seen, kind="stable"), kind="stable") * num_bins // len(values)
