"""Who and what a world shows: users and items with latent factors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from datasets.worlds.effects import NUM_FACTORS
from datasets.worlds.sampling import Launched, power_shares

if TYPE_CHECKING:
    from datasets.worlds.world import Layout

USER_EXPONENT, ITEM_EXPONENT = 0.6, 0.8  # Zipf's, of impressions
NUM_CITIES, NUM_CATEGORIES, ITEMS_PER_BRAND = 60, 20, 8
FACTOR_MEAN, FACTOR_STD = 1.0, 0.7  # of users
USER_LEVEL_STD, ITEM_LEVEL_STD = 0.2, 0.1
CITY_PART = 0.8  # of the variance of user factors
CATEGORY_PART, BRAND_PART = 0.8, 0.1  # of the variance of item factors
LATE_SHARE, LATE_FROM, LATE_TO = 0.15, 0.3, 0.95  # items launched within the period


class Users:
    """All users; those of a group of domains follow each other."""

    def __init__(
        self, layout: Layout, num_rows: int, group_share: np.ndarray, rng: np.random.Generator
    ) -> None:
        wanted = num_rows / layout.rows_per_user * group_share
        sizes = np.maximum(1, np.round(wanted)).astype(np.int64)
        total = int(sizes.sum())
        self._ends = np.concatenate(
            [
                place + np.cumsum(power_shares(size, USER_EXPONENT))
                for place, size in enumerate(sizes)
            ]
        )  # (users,) of the group's place + the share of its users up to here
        self._last = np.cumsum(sizes) - 1
        self.user_id = rng.permutation(total)
        self.city = rng.choice(NUM_CITIES, total, p=power_shares(NUM_CITIES, 0.7))
        taste = np.sqrt(CITY_PART) * rng.normal(size=(NUM_CITIES, NUM_FACTORS))[self.city]
        taste += np.sqrt(1 - CITY_PART) * rng.normal(size=(total, NUM_FACTORS))
        self.factors = FACTOR_MEAN + FACTOR_STD * taste  # (users, factors)
        self.level = USER_LEVEL_STD * rng.normal(size=total)

    def draw(self, group: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A user of each group."""
        found = np.searchsorted(self._ends, group + rng.random(len(group)), side="right")
        return np.minimum(found, self._last[group])  # sums of shares may fall short of 1


class Items:
    """All items, the most popular first."""

    def __init__(self, layout: Layout, num_rows: int, rng: np.random.Generator) -> None:
        total = max(100, num_rows // layout.rows_per_item)
        num_brands = total // ITEMS_PER_BRAND
        self.item_id = rng.permutation(total)
        self.category = rng.choice(NUM_CATEGORIES, total, p=power_shares(NUM_CATEGORIES, 0.7))
        self.brand = rng.choice(num_brands, total, p=power_shares(num_brands, 0.7))
        own_part = 1 - CATEGORY_PART - BRAND_PART
        self.factors = (
            np.sqrt(CATEGORY_PART) * rng.normal(size=(NUM_CATEGORIES, NUM_FACTORS))[self.category]
            + np.sqrt(BRAND_PART) * rng.normal(size=(num_brands, NUM_FACTORS))[self.brand]
            + np.sqrt(own_part) * rng.normal(size=(total, NUM_FACTORS))
        )  # (items, factors)
        self.level = ITEM_LEVEL_STD * rng.normal(size=total)
        self.slope = rng.normal(size=total)  # of its drift
        launch = rng.uniform(LATE_FROM, LATE_TO, total)
        launch[rng.random(total) >= LATE_SHARE] = 0.0
        launch[0] = 0.0  # there is always something to show
        self.arrival = Launched(power_shares(total, ITEM_EXPONENT), launch)
