"""The layout of the IAAC log: purchases after clicks, domains of users alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from datasets.worlds.sampling import noisy_bins, power_shares
from datasets.worlds.world import DomainField, Impressions, WorldLayout

if TYPE_CHECKING:
    from datasets.worlds.population import Items, Users

NUM_PROPERTIES, MAX_PROPERTIES = 300, 8
NUM_PAGES, NUM_ITEM_CITIES = 20, 40
ITEMS_PER_SHOP = 4
SHOP_SCORES = ("review_positive_rate", "score_service", "score_delivery", "score_description")


class PublicColumns:
    """The columns of IAAC besides the domain columns: of user, item, shop and context."""

    def __init__(self, users: Users, items: Items, rng: np.random.Generator) -> None:
        self._users, self._items = users, items
        total = len(items.item_id)
        popularity = -np.log(np.arange(total) + 1.0)
        self._of_item = {
            "item_city_id": rng.choice(
                NUM_ITEM_CITIES, total, p=power_shares(NUM_ITEM_CITIES, 0.7)
            ),
            "item_price_level": noisy_bins(items.factors[:, 0], 18, rng),
            "item_sales_level": noisy_bins(popularity, 18, rng),
            "item_collected_level": noisy_bins(popularity, 18, rng),
            "item_pv_level": noisy_bins(popularity, 22, rng),
        }
        self._properties = _lists(items, rng)
        num_shops = max(1, total // ITEMS_PER_SHOP)
        self._shop = items.brand % num_shops
        quality = rng.normal(size=num_shops)
        self._of_shop = {
            "shop_review_num_level": noisy_bins(quality, 26, rng),
            "shop_star_level": noisy_bins(quality, 22, rng),
        }
        for name in SHOP_SCORES:
            score = np.exp(-0.5 * quality + 0.3 * rng.normal(size=num_shops))
            self._of_shop[f"shop_{name}"] = np.round(1 - 0.05 * score, 6)

    def of(self, shown: Impressions, rng: np.random.Generator) -> dict[str, pa.Array | np.ndarray]:
        """Column values of impressions."""
        items, user, item = self._items, shown.user, shown.item
        shop = self._shop[item]
        category = items.category[item].astype(str)
        return {
            "user_id": self._users.user_id[user],
            "user_occupation_id": self._users.segment[user],
            "item_id": items.item_id[item],
            "item_brand_id": items.brand[item],
            **{name: values[item] for name, values in self._of_item.items()},
            "item_category_list": np.char.add("0;", np.char.add("c", category)),
            "item_property_list": self._properties.take(pa.array(item)),
            "predict_category_property": np.char.add(category, ":-1"),
            "context_page_id": rng.choice(NUM_PAGES, len(item), p=power_shares(NUM_PAGES, 1.0)),
            "shop_id": shop,
            **{name: values[shop] for name, values in self._of_shop.items()},
        }


def _lists(items: Items, rng: np.random.Generator) -> pa.Array:
    """One to eight `;`-separated properties per item, those of its category the likeliest."""
    total = len(items.item_id)
    lengths = rng.integers(1, MAX_PROPERTIES + 1, total)
    own = (items.category * 7)[:, None] + rng.integers(0, 12, (total, MAX_PROPERTIES))
    other = rng.integers(0, NUM_PROPERTIES, (total, MAX_PROPERTIES))
    drawn = np.where(rng.random((total, MAX_PROPERTIES)) < 0.7, own, other)
    return pa.array(
        [";".join(map(str, row[:length])) for row, length in zip(drawn, lengths, strict=True)]
    )


PUBLIC = WorldLayout(
    name="public",
    label="is_trade",
    timestamp="context_timestamp",
    domain_fields=tuple(
        DomainField(
            name=name,
            values=values,
            exponent=exponent,
            level_part=1 / 3,
            structure_part=1 / 3,
            is_of_user=True,
        )
        for name, values, exponent in (
            ("user_gender_id", (0, 1, 2, -1), 1.0),
            ("user_age_level", (1003, 1004, 1002, 1005, 1001, 1006, 1007, 1000, -1), 0.9),
            (
                "user_star_level",
                (3006, 3007, 3005, 3004, 3008, 3003, 3002, 3009, 3001, 3010, 3000, -1),
                0.7,
            ),
        )
    ),
    columns=PublicColumns,
    max_domains=432,
    skew_exponent=1.1,
    skew_shift=2.0,
    level_std=0.5,
    base_rate=0.02,
    rows_per_user=3,
    rows_per_item=50,
)
