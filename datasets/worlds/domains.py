"""The domains of a world: the impressions each gets, since when, and its effects on clicks."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from datasets.worlds.population import NUM_FACTORS
from datasets.worlds.sampling import Launched, blend, power_shares, standardize

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from datasets.worlds.world import Mechanism, World, WorldLayout

DOMAINS_AT, ROWS_AT, GROWTH = 300, 255_000, 0.8  # domains, at so many rows; power of the rows
TRAIN_END, TEST_START = 4 / 6, 5 / 6  # of a split 4:1:1 by time
EMERGING_SHARE = 0.08  # of the domains, of each of the two kinds
HEAD_SHARE = 0.1  # of the domains by rank: these never emerge late
FEW_ROWS = (10, 80)  # expected train rows of a domain that appears at the end of train
MARGIN = 0.002  # keeps a domain of test alone clear of the cut
MATCH_STD = 1.2  # of the match of user and item over the impressions, in log-odds
JOINT_PART = 0.4  # of the variance of levels and scores; single columns tell none of it
# With weights exp(spread * normal) two unrelated domains have a cosine near one half, which is also
# that of two unrelated masks that keep half of the factors.
DENSE_SPREAD = np.sqrt(np.log(2.0))


@dataclass(frozen=True, slots=True)
class WorldDomains:
    """The domains of a world, the one of most impressions first."""

    value_index: np.ndarray  # (D, fields) positions in the values of each field
    group: np.ndarray  # (D,) one per combination of user fields
    group_share: np.ndarray  # (groups,) of the impressions
    arrival: Launched


def make_domains(layout: WorldLayout, num_rows: int, rng: np.random.Generator) -> WorldDomains:
    """Draw the domains; those of a small log are the first of a larger one."""
    fields = layout.domain_fields
    sizes = [len(field.values) for field in fields]
    shares = [power_shares(size, field.exponent) for size, field in zip(sizes, fields, strict=True)]
    index = np.indices(sizes).reshape(len(sizes), -1).T  # (all tuples, fields)
    popularity = sum(np.log(share[column]) for share, column in zip(shares, index.T, strict=True))
    # Gumbel noise makes the order a sample without replacement by the product of the shares.
    order = np.argsort(-(popularity + rng.gumbel(size=len(index))), kind="stable")
    wanted = round(DOMAINS_AT * (num_rows / ROWS_AT) ** GROWTH)
    count = max(2, min(layout.max_domains, wanted))
    index = index[order[:count]]
    share = power_shares(count, layout.skew_exponent, layout.skew_shift)
    of_user = [place for place, field in enumerate(fields) if field.is_of_user]
    _, group = np.unique(index[:, of_user], axis=0, return_inverse=True)
    return WorldDomains(
        value_index=index,
        group=group,
        group_share=np.bincount(group, weights=share),
        arrival=Launched(share, _launch(share * num_rows, rng)),
    )


def _launch(expected_rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Share of the log before a domain's first impression; 0 for all but emerging domains."""
    count = len(expected_rows)
    launch = np.zeros(count)
    emerging = rng.permutation(np.arange(round(HEAD_SHARE * count), count))
    num_of_kind = round(EMERGING_SHARE * count)
    in_test, in_train = np.split(emerging[: 2 * num_of_kind], [num_of_kind])
    launch[in_test] = rng.uniform(TEST_START + MARGIN, TEST_START + 0.05, len(in_test))
    few = rng.uniform(*FEW_ROWS, len(in_train))
    launch[in_train] = np.maximum(0.0, TRAIN_END - few / expected_rows[in_train])
    return launch


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
