"""Shares of ranked things, and draws among those that already exist."""

from __future__ import annotations

import numpy as np


class Launched:
    """Draws by share among what was launched before each moment."""

    def __init__(self, share: np.ndarray, launch: np.ndarray) -> None:
        self.launch = launch  # (things,) share of the log that comes before the first
        self._ends = np.cumsum(share)
        self._ends /= self._ends[-1]

    def draw(self, elapsed: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """One thing for each moment; what is not there yet is drawn again."""
        drawn = self._any(len(elapsed), rng)
        early = np.flatnonzero(self.launch[drawn] > elapsed)
        while len(early):
            drawn[early] = self._any(len(early), rng)
            early = early[self.launch[drawn[early]] > elapsed[early]]
        return drawn

    def _any(self, count: int, rng: np.random.Generator) -> np.ndarray:
        return np.searchsorted(self._ends, rng.random(count), side="right")


def power_shares(size: int, exponent: float, shift: float = 1.0) -> np.ndarray:
    """Shares that fall as a power of the rank, Zipf's law with a shift."""
    weight = (np.arange(size) + shift) ** -exponent
    return weight / weight.sum()


def standardize(values: np.ndarray) -> np.ndarray:
    """Zero mean, unit variance, per column."""
    return (values - values.mean(axis=0)) / values.std(axis=0)


def noisy_bins(
    values: np.ndarray, num_bins: int, rng: np.random.Generator, noise: float = 0.5
) -> np.ndarray:
    """Equal-frequency bins of values that are seen through noise."""
    seen = standardize(values) + noise * rng.normal(size=len(values))
    return np.argsort(np.argsort(seen, kind="stable"), kind="stable") * num_bins // len(values)
