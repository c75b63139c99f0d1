from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from datasets import catalog
from datasets.catalog import synthetic_production
from datasets.prepare import PrepareOptions, prepare
from datasets.worlds import WorldConfig, generate

DOMAIN = ["scenario", "ad_position", "user_group"]


@pytest.fixture(scope="module")
def world():
    return generate(synthetic_production.WORLD)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    return prepare(catalog.load("synthetic_production"), None, folder, PrepareOptions())


def test_world_is_fixed_by_its_seed():
    small = WorldConfig(num_rows=2000)

    assert generate(small).equals(generate(small))
    assert not generate(small).equals(generate(WorldConfig(num_rows=2000, seed=1)))


@pytest.mark.parametrize("column", ["p_click", "item_tags", "price"])
def test_identity_follows_every_value(world, column):
    changed = world.with_columns(pl.col(column).reverse())

    assert synthetic_production.rows_digest(changed) != synthetic_production.rows_digest(world)
    assert synthetic_production.rows_digest(world) in synthetic_production.read_raw(Path()).identity


def test_world_has_its_base_rate(world):
    assert world["p_click"].mean() == pytest.approx(0.05, abs=1e-6)
    assert world["click"].mean() == pytest.approx(0.05, abs=0.002)


def test_clicks_follow_the_true_probability(world):
    p_click = world["p_click"].to_numpy()
    parts = np.array_split(np.argsort(p_click), 10)

    clicks = np.array([world["click"].to_numpy()[part].sum() for part in parts])

    expected = np.array([p_click[part].sum() for part in parts])
    deviation = np.sqrt([(p_click[part] * (1 - p_click[part])).sum() for part in parts])
    assert (np.abs(clicks - expected) < 4 * deviation).all()


def test_bayes_auc_is_realistic(world):
    ranks = world["p_click"].rank().to_numpy()
    clicked = world["click"].to_numpy() == 1

    positives, negatives = clicked.sum(), (~clicked).sum()
    auc = (ranks[clicked].sum() - positives * (positives + 1) / 2) / (positives * negatives)

    assert 0.70 < auc < 0.80


def test_domains_are_many_and_long_tailed(world):
    sizes = world.group_by(DOMAIN).len()["len"].sort(descending=True)

    assert 250 <= len(sizes) <= 420
    assert sizes[:30].sum() > 0.35 * len(world)
    assert sizes.min() > 0


def test_rows_are_in_time_order_over_two_weeks(world):
    times = world["timestamp"]

    assert times.is_sorted()
    assert 13 * 86_400 < times.max() - times.min() < 14 * 86_400


def test_some_values_and_domains_are_new_after_train(data):
    test = data.split["test"]
    rows = data.rows()[test.start : test.stop]

    item = data.schema.fields.index("item_id")
    assert 0.005 < (rows[:, item] == 0).mean() < 0.3
    assert 0.01 < (rows[:, -4] == 0).mean() < 0.3
    assert data.card["num_domains"] > data.card["num_domains_in_train"]


def test_true_probability_follows_the_rows(data, world):
    assert np.array_equal(data.p_click(), world["p_click"].to_numpy()[data.row_ids()])


def test_world_has_at_most_twelve_fields(data):
    assert len(data.schema.fields) + len(data.schema.bags) <= 12
