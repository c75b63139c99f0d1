"""A generated log whose true click probabilities are known.

Users and items have latent vectors. The log-odds of a click are a sum of parts, each scaled to its
share of the variance: what holds in every domain (user, item, their match, hour, price) and what
depends on the domain (its level, which latent tastes count there, which categories it likes). The
latter come from latent vectors of scenario, position and user group, so that domains that share
them are alike, and from a smaller part of the domain's own. Items and a few domains appear late, so
that dev and test hold values that train does not know.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl

from datasets.population import Items, Users, make_items, make_users, standardize, zipf

START_SECONDS = 1_640_995_200  # 2022-01-01 UTC
DAY_SECONDS = 86_400
COLUMNS = {
    "timestamp": pl.Int64,
    "scenario": pl.Int64,
    "ad_position": pl.Int64,
    "user_group": pl.Int64,
    "user_id": pl.Int64,
    "item_id": pl.Int64,
    "category_id": pl.Int64,
    "brand_id": pl.Int64,
    "item_tags": pl.String,
    "hour": pl.Int64,
    "price": pl.Float64,
    "user_city": pl.Int64,
    "user_age": pl.Int64,
    "click": pl.Int64,
    "p_click": pl.Float64,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldConfig:
    """Sizes of a world.

    `logit_std` is the spread of the true log-odds, `domain_share` the part of their variance that
    depends on the domain; `late_slots` pairs of scenario and position start after three quarters of
    the period.
    """

    seed: int = 2022
    num_rows: int = 250_000
    num_days: int = 14
    num_scenarios: int = 10
    num_positions: int = 7
    positions_per_scenario: int = 5
    num_groups: int = 6
    num_users: int = 12_000
    num_items: int = 4_000
    num_categories: int = 40
    num_brands: int = 300
    num_tags: int = 120
    num_tastes: int = 8
    base_rate: float = 0.05
    logit_std: float = 1.15
    domain_share: float = 0.4
    late_item_share: float = 0.15
    late_slots: int = 4


class _Impressions(NamedTuple):
    elapsed: np.ndarray  # (rows,) share of the period, rising
    scenario: np.ndarray
    position: np.ndarray
    user: np.ndarray
    item: np.ndarray
    hour: np.ndarray


def generate(config: WorldConfig) -> pl.DataFrame:
    """The impressions of a world in time order, with `click` and the true `p_click`."""
    rng = np.random.default_rng(config.seed)
    users, items = make_users(config, rng), make_items(config, rng)
    shown = _make_impressions(config, users, items, rng)
    logit = config.logit_std * (
        np.sqrt(1 - config.domain_share) * _shared_effect(config, users, items, shown, rng)
        + np.sqrt(config.domain_share) * _domain_effect(config, users, items, shown, rng)
    )
    p_click = _sigmoid(logit + _intercept(logit, config.base_rate))
    columns = {
        "timestamp": START_SECONDS
        + (shown.elapsed * config.num_days * DAY_SECONDS).astype(np.int64),
        "scenario": shown.scenario,
        "ad_position": shown.position,
        "user_group": users.group[shown.user],
        "user_id": shown.user,
        "item_id": shown.item,
        "category_id": items.category[shown.item],
        "brand_id": items.brand[shown.item],
        "item_tags": items.tags[shown.item],
        "hour": shown.hour,
        "price": items.price[shown.item],
        "user_city": users.city[shown.user],
        "user_age": users.age[shown.user],
        "click": rng.random(config.num_rows) < p_click,
        "p_click": p_click,
    }
    return pl.DataFrame(columns).cast(COLUMNS)  # type: ignore[arg-type]


def _make_impressions(
    config: WorldConfig, users: Users, items: Items, rng: np.random.Generator
) -> _Impressions:
    """Who saw what, where and when; scenarios, users and items have long-tailed shares."""
    hour_weight = 1.2 + np.sin((np.arange(24) - 9) / 24 * 2 * np.pi)
    day = rng.integers(0, config.num_days, config.num_rows)
    hour = rng.choice(24, config.num_rows, p=hour_weight / hour_weight.sum())
    elapsed = (day + (hour + rng.random(config.num_rows)) / 24) / config.num_days
    order = np.argsort(elapsed)
    elapsed, hour = elapsed[order], hour[order]
    scenario, position, slot_weight = _make_slots(config, rng)
    slot_launch = np.zeros(len(scenario))
    slot_launch[rng.choice(len(scenario), config.late_slots, replace=False)] = 0.75
    slot = _draw_launched(slot_weight, slot_launch, elapsed, rng)
    return _Impressions(
        elapsed=elapsed,
        scenario=scenario[slot],
        position=position[slot],
        user=rng.choice(config.num_users, config.num_rows, p=users.weight),
        item=_draw_launched(items.weight, items.launch, elapsed, rng),
        hour=hour,
    )


def _make_slots(
    config: WorldConfig, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every scenario has some of the positions; shares fall as one over the rank."""
    scenario = np.repeat(np.arange(config.num_scenarios), config.positions_per_scenario)
    position = np.concatenate(
        [
            rng.choice(config.num_positions, config.positions_per_scenario, replace=False)
            for _ in range(config.num_scenarios)
        ]
    )
    weight = zipf(config.num_scenarios, 1.0)[scenario] * zipf(config.num_positions, 0.8)[position]
    return scenario, position, weight / weight.sum()


def _draw_launched(
    weight: np.ndarray, launch: np.ndarray, elapsed: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Draw by weight among what exists at each time."""
    drawn = rng.choice(len(weight), len(elapsed), p=weight)
    while (early := launch[drawn] > elapsed).any():
        drawn[early] = rng.choice(len(weight), int(early.sum()), p=weight)
    return drawn


def _shared_effect(
    config: WorldConfig, users: Users, items: Items, shown: _Impressions, rng: np.random.Generator
) -> np.ndarray:
    """What holds in every domain, with unit variance."""
    match = np.einsum("nk,nk->n", users.tastes[shown.user], items.tastes[shown.item])
    thrift = rng.normal(size=config.num_users)
    parts = {
        0.25: users.level[shown.user],
        0.30: items.level[shown.item],
        0.35: match,
        0.06: -thrift[shown.user] * np.log(items.price[shown.item]),
        0.04: np.cos((shown.hour - 21) / 24 * 2 * np.pi),
    }
    return sum(np.sqrt(share) * standardize(part) for share, part in parts.items())


def _domain_effect(
    config: WorldConfig, users: Users, items: Items, shown: _Impressions, rng: np.random.Generator
) -> np.ndarray:
    """What depends on the domain, with unit variance."""
    group = users.group[shown.user]
    domain = (shown.scenario * config.num_positions + shown.position) * config.num_groups + group
    sizes = (config.num_scenarios, config.num_positions, config.num_groups)
    level = _domain_vectors(sizes, 1, rng)[domain, 0]
    taste_weight = _domain_vectors(sizes, config.num_tastes, rng)[domain]
    category_taste = rng.normal(size=(config.num_categories, config.num_tastes))[
        items.category[shown.item]
    ]
    category_weight = _domain_vectors(sizes, config.num_tastes, rng)[domain]
    match = users.tastes[shown.user] * items.tastes[shown.item]
    parts = {
        0.34: level,
        0.36: np.einsum("nk,nk->n", taste_weight, match),
        0.30: np.einsum("nk,nk->n", category_weight, category_taste),
    }
    return sum(np.sqrt(share) * standardize(part) for share, part in parts.items())


def _domain_vectors(
    sizes: tuple[int, int, int], width: int, rng: np.random.Generator
) -> np.ndarray:
    """One vector per domain: those of its scenario, position and group, and a part of its own."""
    scenario, position, group = (rng.normal(size=(size, width)) for size in sizes)
    own = rng.normal(size=(*sizes, width))
    vectors = (
        0.6 * scenario[:, None, None]
        + 0.5 * position[None, :, None]
        + 0.4 * group[None, None]
        + 0.45 * own
    )
    return vectors.reshape(-1, width)


def _sigmoid(logit: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logit))


def _intercept(logit: np.ndarray, base_rate: float) -> float:
    """The shift that gives the log its base rate, by bisection."""
    low, high = -20.0, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _sigmoid(logit + middle).mean() < base_rate else (low, middle)
    return (low + high) / 2
