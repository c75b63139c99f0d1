"""Who and what a generated log shows: users and items with latent tastes and visible columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from datasets.worlds import WorldConfig


class Users(NamedTuple):
    """All users of a world."""

    group: np.ndarray  # (users,)
    tastes: np.ndarray  # (users, K)
    level: np.ndarray  # (users,)
    city: np.ndarray
    age: np.ndarray
    weight: np.ndarray  # share of the impressions


class Items(NamedTuple):
    """All items of a world."""

    tastes: np.ndarray  # (items, K)
    level: np.ndarray
    category: np.ndarray
    brand: np.ndarray
    price: np.ndarray
    tags: np.ndarray  # (items,) text
    launch: np.ndarray  # share of the period after which the item exists
    weight: np.ndarray


def make_users(config: WorldConfig, rng: np.random.Generator) -> Users:
    """Users whose tastes follow their group; city and age are noisy views of the tastes."""
    group = rng.choice(config.num_groups, config.num_users, p=zipf(config.num_groups, 0.7))
    group_tastes = rng.normal(size=(config.num_groups, config.num_tastes))
    tastes = 0.6 * group_tastes[group] + 0.8 * rng.normal(
        size=(config.num_users, config.num_tastes)
    )
    city_taste = tastes @ rng.normal(size=config.num_tastes)
    return Users(
        group=group,
        tastes=tastes,
        level=rng.normal(size=config.num_users),
        city=_noisy_bins(city_taste, 60, rng),
        age=_noisy_bins(tastes[:, 0], 8, rng),
        weight=_lognormal_weights(config.num_users, 1.0, rng),
    )


def make_items(config: WorldConfig, rng: np.random.Generator) -> Items:
    """Items whose tastes follow their category; some are launched late."""
    category = rng.choice(
        config.num_categories, config.num_items, p=zipf(config.num_categories, 0.6)
    )
    category_tastes = rng.normal(size=(config.num_categories, config.num_tastes))
    tastes = 0.8 * category_tastes[category] + 0.6 * rng.normal(
        size=(config.num_items, config.num_tastes)
    )
    brand_level = rng.normal(size=config.num_brands)
    brand = rng.choice(config.num_brands, config.num_items, p=zipf(config.num_brands, 0.8))
    launch = np.where(
        rng.random(config.num_items) < config.late_item_share,
        rng.uniform(0.3, 0.95, config.num_items),
        0.0,
    )
    return Items(
        tastes=tastes,
        level=0.6 * brand_level[brand] + 0.8 * rng.normal(size=config.num_items),
        category=category,
        brand=brand,
        price=np.round(np.exp(rng.normal(3.0, 0.8, config.num_items)), 2),
        tags=_tags_of(tastes, config.num_tags, rng),
        launch=launch,
        weight=_lognormal_weights(config.num_items, 1.2, rng),
    )


def _tags_of(tastes: np.ndarray, num_tags: int, rng: np.random.Generator) -> np.ndarray:
    """One to four `;`-separated tags per item, among those nearest to its tastes."""
    affinity = tastes @ rng.normal(size=(tastes.shape[1], num_tags)) + rng.normal(
        size=(len(tastes), num_tags)
    )
    nearest = np.argsort(-affinity, axis=1)[:, :4]
    lengths = rng.integers(1, 5, len(tastes))
    return np.array(
        [";".join(map(str, tags[:length])) for tags, length in zip(nearest, lengths, strict=True)]
    )


def zipf(size: int, exponent: float) -> np.ndarray:
    """Shares that fall as a power of the rank."""
    weight = np.arange(1, size + 1) ** -exponent
    return weight / weight.sum()


def _lognormal_weights(size: int, spread: float, rng: np.random.Generator) -> np.ndarray:
    weight = np.exp(spread * rng.normal(size=size))
    return weight / weight.sum()


def _noisy_bins(values: np.ndarray, num_bins: int, rng: np.random.Generator) -> np.ndarray:
    """Equal-frequency bins of values that are seen through noise."""
    seen = standardize(values) + 0.5 * rng.normal(size=len(values))
    return np.argsort(np.argsort(seen)) * num_bins // len(values)


def standardize(values: np.ndarray) -> np.ndarray:
    """Zero mean, unit variance."""
    return (values - values.mean()) / values.std()
