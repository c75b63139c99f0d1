"""What a domain changes: its level, and how much each latent factor counts there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import norm

if TYPE_CHECKING:
    from collections.abc import Callable

    from datasets.worlds.world import Mechanism, World

NUM_FACTORS = 4
AMPLITUDE = 1.0  # of the match of user and item, in log-odds
# With weights exp(spread * normal) two unrelated domains have a cosine near one half, which is also
# that of two unrelated masks that keep half of the factors.
DENSE_SPREAD = np.sqrt(np.log(2.0))


@dataclass(frozen=True, slots=True)
class Effects:
    """The effects of all domains."""

    level: np.ndarray  # (D,) added to the log-odds
    weight: np.ndarray  # (D, factors); each row has a sum of squares of NUM_FACTORS

    def vectors(self) -> np.ndarray:
        """What each domain does to the log-odds, (D, factors + 1): its weights and its level."""
        scale = AMPLITUDE / np.sqrt(NUM_FACTORS)
        return np.column_stack([scale * self.weight, self.level])


def make_effects(world: World, value_index: np.ndarray, rng: np.random.Generator) -> Effects:
    """Compose the effects of domains (D, fields) from vectors of their fields' values."""
    fields = world.layout.domain_fields
    score = np.zeros((len(value_index), NUM_FACTORS))
    level = np.zeros(len(value_index))
    for field, column in zip(fields, value_index.T, strict=True):
        size = len(field.values)
        score += np.sqrt(field.structure_part) * rng.normal(size=(size, NUM_FACTORS))[column]
        level += field.level_std * _spread_out(size, rng)[column]
    if world.mechanism == "none":
        level[:] = 0.0
    return Effects(level, _WEIGHTS[world.mechanism](score))


def _spread_out(size: int, rng: np.random.Generator) -> np.ndarray:
    """Normal quantiles in random order: no field is left without contrast by chance."""
    return rng.permutation(norm.ppf((np.arange(size) + 0.5) / size))


def _masked(score: np.ndarray) -> np.ndarray:
    """Keep the half of the factors that score highest."""
    rank = np.argsort(np.argsort(-score, axis=1, kind="stable"), axis=1, kind="stable")
    return _scaled((rank < score.shape[1] // 2).astype(float))


def _smooth(score: np.ndarray) -> np.ndarray:
    """Weigh every factor by a positive amount."""
    return _scaled(np.exp(DENSE_SPREAD * score))


def _shared(score: np.ndarray) -> np.ndarray:
    return np.ones_like(score)


def _mixed(score: np.ndarray) -> np.ndarray:
    """Mask the first half of the factors, weigh the second."""
    half = score.shape[1] // 2
    return np.hstack([_masked(score[:, :half]), _smooth(score[:, half:])])


def _scaled(weight: np.ndarray) -> np.ndarray:
    """The same directions, with as large a sum of squares as equal weights of 1."""
    return weight * np.sqrt(weight.shape[1] / (weight**2).sum(axis=1, keepdims=True))


_WEIGHTS: dict[Mechanism, Callable[[np.ndarray], np.ndarray]] = {
    "sparse": _masked,
    "dense": _smooth,
    "bias": _shared,
    "none": _shared,
    "mixture": _mixed,
}
