"""Who and what a world shows: users and items with latent factors."""

from __future__ import annotations

import numpy as np

from datasets.worlds.sampling import (
    Launched,
    assign,
    blend,
    exponential_shares,
    power_shares,
    whitening,
)

NUM_FACTORS = 4
ITEM_EXPONENT, ITEM_SHIFT = 1.5, 0.024  # of shares by rank; the shift counts in numbers of items
NUM_CITIES, NUM_SEGMENTS = 16, 8
NUM_CATEGORIES, ITEMS_PER_BRAND = 20, 20
CITY_PART, SEGMENT_PART = 0.35, 0.55  # of the variance of what users are
CATEGORY_PART, BRAND_PART = 0.65, 0.2  # of the variance of what items are
COMMON_PART = 0.5  # of the mean square of users' factors: what all users like
USER_LEVEL_STD, ITEM_LEVEL_STD = 0.4, 0.2
LATE_USERS, LATE_ITEMS = 0.08, 0.03  # shares of those who come within the period
LATE_FROM, LATE_TO = 0.3, 0.95


class Traits:
    """Latent factors and level of things, as far as attributes tell them and in full.

    Over the impressions the columns of `full` are uncorrelated with zero mean and unit variance.
    """

    def __init__(
        self,
        attributes: list[tuple[float, np.ndarray]],
        weight: np.ndarray,
        rng: np.random.Generator,
    ) -> None:
        own_part = 1.0 - sum(part for part, _ in attributes)
        told = blend(attributes, weight, NUM_FACTORS + 1, rng)
        own = blend([(own_part, np.arange(len(weight)))], weight, NUM_FACTORS + 1, rng)
        matrix = whitening(told + own, weight)
        self.told, self.full = told @ matrix, (told + own) @ matrix  # (things, factors + 1)


class Users:
    """All users; those of a group of domains follow each other."""

    def __init__(
        self, rows_per_user: int, num_rows: int, group_share: np.ndarray, rng: np.random.Generator
    ) -> None:
        wanted = num_rows / rows_per_user * group_share
        sizes = np.maximum(1, np.round(wanted)).astype(np.int64)
        total = int(sizes.sum())
        shares = [
            part * exponential_shares(size) for part, size in zip(group_share, sizes, strict=True)
        ]
        launch = _launch(total, LATE_USERS, rng)
        self.arrival = Launched(np.concatenate(shares), launch, sizes)
        weight = self.arrival.exposure
        self.user_id = rng.permutation(total)
        self.city = assign(weight, power_shares(NUM_CITIES, 0.7), rng)
        self.segment = assign(weight, power_shares(NUM_SEGMENTS, 0.5), rng)
        self.traits = Traits([(CITY_PART, self.city), (SEGMENT_PART, self.segment)], weight, rng)
        self.factors = user_factors(self.traits.full)
        self.level = USER_LEVEL_STD * self.traits.full[:, NUM_FACTORS]


class Items:
    """All items, the most popular first."""

    def __init__(self, rows_per_item: int, num_rows: int, rng: np.random.Generator) -> None:
        total = max(100, num_rows // rows_per_item)
        num_brands = total // ITEMS_PER_BRAND
        share = power_shares(total, ITEM_EXPONENT, ITEM_SHIFT * total)
        self.arrival = Launched(share, _launch(total, LATE_ITEMS, rng))
        weight = self.arrival.exposure
        self.item_id = rng.permutation(total)
        self.category = assign(weight, power_shares(NUM_CATEGORIES, 0.7), rng)
        self.brand = assign(weight, power_shares(num_brands, 0.7), rng)
        self.traits = Traits(
            [(CATEGORY_PART, self.category), (BRAND_PART, self.brand)], weight, rng
        )
        self.factors = self.traits.full[:, :NUM_FACTORS]
        self.level = ITEM_LEVEL_STD * self.traits.full[:, NUM_FACTORS]
        self.slope = rng.normal(size=total)  # of its drift


def user_factors(traits: np.ndarray) -> np.ndarray:
    """Factors of users, (users, factors), of unit mean square: what all like, and tastes."""
    return np.sqrt(COMMON_PART) + np.sqrt(1 - COMMON_PART) * traits[:, :NUM_FACTORS]


def _launch(total: int, late_share: float, rng: np.random.Generator) -> np.ndarray:
    """When things come, as a share of the log; 0 for all but a few."""
    launch = rng.uniform(LATE_FROM, LATE_TO, total)
    launch[rng.random(total) >= late_share] = 0.0
    return launch
