"""The effects of a domain: its level, and the weight of each latent factor there."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from datasets.worlds.population import NUM_FACTORS
from datasets.worlds.sampling import blend, standardize

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from datasets.worlds.domains import WorldDomains
    from datasets.worlds.world import Mechanism, World

MATCH_STD = 1.2  # of the match of user and item over the impressions, in log-odds
JOINT_PART = 0.4  # of the variance of levels and scores; single columns tell none of it
# With weights exp(spread * normal) two unrelated domains have a cosine near one half, which is also
# that of two unrelated masks that keep half of the factors.
DENSE_SPREAD = np.sqrt(np.log(2.0))


@dataclass(frozen=True, slots=True)
class Effects:
    """The effects of all domains."""

    level: np.ndarray  # (D,) added to the log-odds
    score: np.ndarray  # (D, factors) from which the mechanism makes weights
    weight: np.ndarray  # (D, factors); each row has a sum of squares of 1

    def vectors(self) -> np.ndarray:
        """The effect of each domain on the log-odds, (D, factors + 1): weights, then level."""
        return np.column_stack([MATCH_STD * self.weight, self.level])


def make_effects(world: World, domains: WorldDomains, rng: np.random.Generator) -> Effects:
    """Draw levels and scores; the same for all mechanisms that have them."""
    fields = world.layout.domain_fields
    score = _values(domains, [field.structure_part for field in fields], NUM_FACTORS, rng)
    level = _values(domains, [field.level_part for field in fields], 1, rng)[:, 0]
    if world.mechanism == "none":
        level = np.zeros_like(level)
    return Effects(world.layout.level_std * level, score, _WEIGHTS[world.mechanism](score))


def sums_over_columns(domains: WorldDomains, values: np.ndarray) -> np.ndarray:
    """The sums of values of single columns that come nearest to values of domains, (D, num)."""
    index = domains.value_index
    design = np.hstack([np.eye(column.max() + 1)[column] for column in index.T])
    root = np.sqrt(domains.arrival.exposure)[:, None]
    found, *_ = np.linalg.lstsq(root * design, root * values, rcond=None)
    return design @ found


def _values(
    domains: WorldDomains, parts: Sequence[float], num: int, rng: np.random.Generator
) -> np.ndarray:
    """Values of domains, (D, num), of unit variance over the impressions.

    Half of the joint part is of pairs of columns, half of the whole tuple. Sums over columns are
    taken out of it, so that its share of the variance is as stated in every draw.
    """
    index, exposure = domains.value_index, domains.arrival.exposure
    pairs = [
        np.unique(index[:, pair], axis=0, return_inverse=True)[1]
        for pair in combinations(range(index.shape[1]), 2)
    ]
    of_tuples = [(0.5 / len(pairs), pair) for pair in pairs] + [(0.5, np.arange(len(index)))]
    additive = blend(zip(parts, index.T, strict=True), exposure, num, rng)
    joint = blend(of_tuples, exposure, num, rng)
    joint -= sums_over_columns(domains, joint)
    return np.sqrt(1 - JOINT_PART) * standardize(additive, exposure) + np.sqrt(
        JOINT_PART
    ) * standardize(joint, exposure)


def _masked(score: np.ndarray) -> np.ndarray:
    """Keep the half of the factors that score highest."""
    rank = np.argsort(np.argsort(-score, axis=1, kind="stable"), axis=1, kind="stable")
    return _scaled((rank < score.shape[1] // 2).astype(float))


def _smooth(score: np.ndarray) -> np.ndarray:
    """Weigh every factor by a positive amount."""
    return _scaled(np.exp(DENSE_SPREAD * score))


def _shared(score: np.ndarray) -> np.ndarray:
    return _scaled(np.ones_like(score))


def _mixed(score: np.ndarray) -> np.ndarray:
    """Mask the first half of the factors, weigh the second."""
    half = score.shape[1] // 2
    return _scaled(np.hstack([_masked(score[:, :half]), _smooth(score[:, half:])]))


def _scaled(weight: np.ndarray) -> np.ndarray:
    """The same directions with a sum of squares of 1: no domain has more to tell than another."""
    return weight / np.sqrt((weight**2).sum(axis=1, keepdims=True))


_WEIGHTS: dict[Mechanism, Callable[[np.ndarray], np.ndarray]] = {
    "sparse": _masked,
    "dense": _smooth,
    "bias": _shared,
    "none": _shared,
    "mixture": _mixed,
}
