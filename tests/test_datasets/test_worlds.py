"""Generated logs: what is drawn, what is true of it, and how its files are kept."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

import numpy as np
import polars as pl
import pytest
from scipy.special import expit

from datasets import catalog
from datasets.files import file_digest
from datasets.prepare import prepare
from datasets.spec import DataError, PrepareOptions
from datasets.worlds import simulation as drawing
from datasets.worlds.files import read_world
from datasets.worlds.production import PRODUCTION
from datasets.worlds.public import PUBLIC
from datasets.worlds.simulation import BLOCK_ROWS, Simulation
from datasets.worlds.world import World

ROWS = 20_000
MIXTURE = World(layout=PRODUCTION, mechanism="mixture")
DOMAIN = [field.name for field in PRODUCTION.domain_fields]
WORLDS = [name for name in catalog.available() if catalog.is_world(name)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("worlds")


@pytest.fixture(scope="module")
def log(folder):
    return read_world(folder, MIXTURE, 255_000).frame.collect()


@pytest.fixture(scope="module")
def raw(folder):
    return read_world(folder, MIXTURE, ROWS)


@pytest.fixture(scope="module")
def data(folder):
    entry = catalog.load("synthetic_production", world_rows=255_000)
    return prepare(entry, folder, folder / "cache", PrepareOptions())


def test_world_is_fixed_by_draw_and_size(tmp_path, raw):
    again = read_world(tmp_path, MIXTURE, ROWS)
    other = read_world(tmp_path, replace(MIXTURE, draw=2), ROWS)

    assert again.frame.collect().equals(raw.frame.collect())
    assert again.candidates.collect().equals(raw.candidates.collect())
    assert not other.frame.collect().equals(raw.frame.collect())


def test_files_do_not_depend_on_the_last_bits_of_a_processor(tmp_path, raw, monkeypatch):
    def other(log_odds):
        return expit(log_odds) * (1.0 + 1e-14 * np.sin(1e6 * log_odds))

    monkeypatch.setattr(drawing, "expit", other)

    again = read_world(tmp_path, MIXTURE, ROWS)

    assert [file_digest(path) for path in again.files] == [file_digest(path) for path in raw.files]


def test_block_does_not_depend_on_other_blocks():
    simulation = Simulation(MIXTURE, 3 * BLOCK_ROWS + 5)

    last = list(simulation.blocks())[-1]

    assert len(last.p_click) == 5
    assert np.array_equal(simulation.block(3).p_click, last.p_click)


@pytest.mark.parametrize("mechanism", ["sparse", "dense", "bias", "none"])
def test_worlds_of_one_draw_have_the_same_users_items_and_impressions(mechanism):
    first, second = (
        Simulation(replace(MIXTURE, mechanism=name), ROWS) for name in ("mixture", mechanism)
    )

    for one, other in zip(first.block(0).shown, second.block(0).shown, strict=True):
        assert np.array_equal(one, other)
    assert np.array_equal(first.users.traits.full, second.users.traits.full)
    assert np.array_equal(first.items.traits.full, second.items.traits.full)
    assert np.array_equal(first.effects.score, second.effects.score)


def test_users_and_items_come_after_their_launch():
    simulation = Simulation(MIXTURE, ROWS)
    shown = simulation.block(0).shown

    for things, drawn in ((simulation.users, shown.user), (simulation.items, shown.item)):
        launch = things.arrival.launch
        assert 0.02 < (launch > 0).mean() < 0.1
        assert (launch[drawn] <= shown.elapsed).all()
        assert (launch[drawn] > 0).any()


@pytest.mark.parametrize("name", WORLDS)
def test_world_has_its_base_rate_and_clicks_follow_the_truth(name, folder):
    world = import_module(f"datasets.catalog.{name}").WORLD
    frame = read_world(folder, world, 60_000).frame.collect()
    p_click, clicked = frame["p_click"].to_numpy(), frame[world.layout.label].to_numpy()

    parts = np.array_split(np.argsort(p_click), 10)

    assert p_click.mean() == pytest.approx(world.layout.base_rate, rel=0.06)
    clicks = np.array([clicked[part].sum() for part in parts])
    expected = np.array([p_click[part].sum() for part in parts])
    deviation = np.sqrt([(p_click[part] * (1 - p_click[part])).sum() for part in parts])
    assert (np.abs(clicks - expected) < 4 * deviation).all()


@pytest.mark.parametrize("name", WORLDS)
def test_world_has_the_columns_of_its_specification(name, folder):
    entry = catalog.load(name, world_rows=ROWS)
    columns = entry.read_raw(folder).frame.collect_schema().names()

    needed = {entry.spec.label, entry.spec.timestamp, *(f.name for f in entry.spec.features)}
    assert set(columns) == needed | {"p_click"}


def test_domains_are_many_and_long_tailed(log):
    sizes = log.group_by(DOMAIN).len()["len"].sort(descending=True)

    assert 270 <= len(sizes) <= 300
    assert sizes[:30].sum() > 0.35 * len(log)


def test_large_world_has_the_skew_of_the_paper():
    """About 18 domains hold the first fifth of the impressions, over 3,000 the last."""
    exposure = Simulation(MIXTURE, 11_000_000).domains.arrival.exposure
    share = np.cumsum(np.sort(exposure)[::-1])

    assert len(share) > 5_000
    assert 14 <= np.searchsorted(share, 0.2) + 1 <= 22
    assert len(share) - np.searchsorted(share, 0.8) > 3_000


def test_scenarios_and_positions_differ_in_click_rate(log):
    for column in ("scenario", "ad_position"):
        rates = (
            log.group_by(column).agg(pl.col("p_click").mean(), pl.len()).filter(pl.col("len") > 500)
        )

        assert rates["p_click"].max() > 2 * rates["p_click"].min()


def test_public_world_has_the_domains_of_iaac(folder):
    frame = read_world(folder, World(layout=PUBLIC, mechanism="mixture"), 255_000).frame.collect()

    domains = frame.select(field.name for field in PUBLIC.domain_fields).unique()
    assert len(domains) >= 250
    assert frame["item_property_list"].str.contains(";").any()


def test_rows_are_in_time_order_over_two_weeks(log):
    times = log["timestamp"]

    assert times.is_sorted()
    assert 13 * 86_400 < times.max() - times.min() < 14 * 86_400


def test_drift_is_mild():
    simulation = Simulation(MIXTURE, 500_000)

    first, last = (simulation.block(index) for index in (0, simulation.num_blocks - 2))

    assert 0.9 < last.p_click.mean() / first.p_click.mean() < 1.35


def truth_with(simulation, domain):
    """True log-odds of the same users and items in other domains."""
    shown = simulation.block(0).shown
    p_click = simulation.p_click(shown._replace(domain=domain(shown)))
    return np.log(p_click) - np.log1p(-p_click)


def elsewhere(simulation):
    own = truth_with(simulation, lambda shown: shown.domain)
    other = truth_with(simulation, lambda shown: np.roll(shown.domain, 1))
    return other - own, np.roll(simulation.block(0).shown.domain, 1), simulation.block(0).shown


def test_null_world_does_not_depend_on_domains():
    change, _, _ = elsewhere(Simulation(replace(MIXTURE, mechanism="none"), ROWS))

    assert np.abs(change).max() < 1e-9


def test_bias_world_shifts_all_rows_of_a_domain_alike():
    simulation = Simulation(replace(MIXTURE, mechanism="bias"), ROWS)

    change, other, shown = elsewhere(simulation)

    level = simulation.effects.level
    expected = level[other] - level[shown.domain]
    usual = (simulation.p_click(shown) > 0.01) & (np.abs(change) < 2.0)  # rounded to 1e-6
    assert usual.mean() > 0.5
    assert np.allclose(change[usual], expected[usual], atol=1e-3)
    assert np.ptp(level) > 1.0


@pytest.mark.parametrize("mechanism", ["sparse", "dense", "mixture"])
def test_other_worlds_change_what_users_like(mechanism):
    simulation = Simulation(replace(MIXTURE, mechanism=mechanism), ROWS)

    change, other, shown = elsewhere(simulation)

    level = simulation.effects.level
    assert (change - level[other] + level[shown.domain]).std() > 0.2
    assert np.allclose((simulation.effects.weight**2).sum(axis=1), 1.0)


def test_sparse_domains_use_half_of_the_factors():
    weight = Simulation(replace(MIXTURE, mechanism="sparse"), ROWS).effects.weight

    assert ((weight > 0).sum(axis=1) == 2).all()
    assert len(np.unique(weight > 0, axis=0)) == 6  # every pair of the four


@pytest.mark.parametrize("mechanism", ["sparse", "dense", "mixture"])
def test_domains_that_share_values_are_more_alike(mechanism, folder):
    found = read_world(folder, replace(MIXTURE, mechanism=mechanism), 255_000).similarity
    values = found.values.to_numpy()
    shared = sum(values[:, None, place] == values[None, :, place] for place in range(3))

    alike = [found.matrix[shared == number].mean() for number in range(3)]

    assert alike == sorted(alike)
    assert np.allclose(np.diag(found.matrix), 1.0)
    assert np.array_equal(found.matrix, found.matrix.T)


def test_domains_of_the_null_world_are_all_alike(folder):
    found = read_world(folder, replace(MIXTURE, mechanism="none"), ROWS).similarity

    assert np.allclose(found.matrix, 1.0, atol=1e-6)


def test_some_domains_emerge_late(data):
    table = data.domains()
    train, test = table["train_impressions"], table["test_impressions"]

    assert ((train == 0) & (test > 0)).sum() >= 10
    assert ((train > 0) & (train < 100) & (test > 0)).sum() >= 10
    assert (train >= 100).sum() > 150


def test_true_probability_follows_the_rows(data, log):
    assert np.array_equal(data.p_click(), log["p_click"].to_numpy()[data.row_ids()])


def test_world_fits_the_compact_protocol(data):
    assert len(data.schema.fields) + len(data.schema.bags) <= 12


def test_candidates_compete_within_a_request(raw):
    candidates = raw.candidates.collect()
    requests = candidates.group_by("request_id", maintain_order=True)

    assert candidates["request_id"].is_sorted()
    assert requests.len()["len"].unique().to_list() == [10]
    assert requests.agg(pl.col("item_id").n_unique())["item_id"].unique().to_list() == [10]
    same = requests.agg(pl.col("user_id", "timestamp", *DOMAIN).n_unique()).drop("request_id")
    assert same.to_numpy().max() == 1
    assert (candidates["bid"] > 0).all()
    log = raw.frame.collect()
    assert candidates["timestamp"].min() > log["timestamp"][ROWS * 5 // 6]


def test_candidates_are_prepared_with_their_truth(data, folder):
    table = data.candidate_table()
    drawn = read_world(folder, MIXTURE, 255_000).candidates.collect()

    assert len(data.candidates) == len(table) == 255_000 // 128 * 10
    assert table["p_click"].equals(drawn["p_click"])
    domains = data.domains()
    assert (domains["test_impressions"].gather(table["eval_domain_id"]) > 0).all()


def test_files_are_made_once_and_again_when_damaged(tmp_path):
    path = read_world(tmp_path, MIXTURE, 3_000).files[0]
    whole, made = path.read_bytes(), path.stat().st_mtime_ns

    read_world(tmp_path, MIXTURE, 3_000)
    assert path.stat().st_mtime_ns == made

    path.write_bytes(whole[:-100])
    read_world(tmp_path, MIXTURE, 3_000)
    assert path.read_bytes() == whole


def test_world_that_is_too_small_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"at least 2,000 rows .* got 500"):
        read_world(tmp_path, MIXTURE, 500)
