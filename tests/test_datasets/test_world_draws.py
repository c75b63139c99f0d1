"""Draws of generated logs: their names, and what all of them have in common."""

from __future__ import annotations

import re

import numpy as np
import pytest

from datasets import catalog
from datasets.prepare import PrepareOptions, prepare
from datasets.spec import DataError
from datasets.worlds import acceptance
from datasets.worlds.acceptance import (
    CRITERIA,
    default_world,
    expected_auc,
    log_of,
    measure,
    scores,
)
from datasets.worlds.domains import make_domains
from datasets.worlds.effects import JOINT_PART, make_effects, sums_over_columns
from datasets.worlds.production import PRODUCTION
from datasets.worlds.sampling import (
    Launched,
    assign,
    blend,
    exponential_shares,
    normal_scores,
    power_shares,
    whitening,
)
from datasets.worlds.simulation import Simulation
from datasets.worlds.world import Stream, World


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def prepared(name, folder):
    entry = catalog.load(name, world_rows=4_096)
    return prepare(entry, folder, folder / "cache", PrepareOptions())


@pytest.mark.parametrize(
    ("word", "source", "draw"),
    [
        ("synthetic_production", ("synthetic_production", ""), 1),
        ("synthetic_production@3", ("synthetic_production@3", ""), 3),
        ("synthetic_bias@0/scenario+ad_position", ("synthetic_bias@0", "scenario+ad_position"), 0),
        ("kuairand/tab", ("kuairand", "tab"), None),
        ("some@3.toml", ("some@3.toml", ""), None),
    ],
)
def test_word_names_a_draw_and_a_partition(word, source, draw):
    assert catalog.source_of(word) == source
    assert catalog.draw_of(source[0])[1] == draw
    assert catalog.is_world(source[0]) == (draw is not None)


@pytest.mark.parametrize("draw", ["", "-1", "two", "1.5", "03", "1000000"])
def test_draw_that_is_no_small_whole_number_is_refused(draw):
    with pytest.raises(DataError, match=r"a draw is a whole number from 0 to 999999") as refused:
        catalog.load(f"synthetic_production@{draw}")

    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("source", ["kuairand@1", "synthetic_prod@1"])
def test_draw_of_what_is_not_generated_is_refused(source):
    message = rf"{re.escape(repr(source))}: only generated logs have draws: synthetic_bias, "
    with pytest.raises(DataError, match=message):
        catalog.load(source)


def test_card_and_data_say_which_draw_it_is(tmp_path, write_raw):
    first, second, named = (
        prepared(name, tmp_path)
        for name in ("synthetic_production", "synthetic_production@2", "synthetic_production@1")
    )
    real = prepared("iaac", write_raw("iaac"))

    assert (first.draw, second.draw, real.draw) == (1, 2, None)
    assert (first.card["draw"], second.card["draw"], real.card["draw"]) == (1, 2, None)
    assert first.spec == second.spec
    assert first.fingerprint == named.fingerprint != second.fingerprint


def test_streams_depend_on_draw_purpose_and_index_alone():
    def number(world, stream, index=0):
        return world.stream(stream, index).random()

    world = default_world(1)
    found = [
        number(world, Stream.USERS),
        number(default_world(2), Stream.USERS),
        number(world, Stream.BLOCKS),
        number(world, Stream.BLOCKS, 1),
    ]

    assert len(set(found)) == 4
    assert number(World(layout=PRODUCTION, mechanism="none"), Stream.USERS) == found[0]


def test_normal_scores_of_equal_weights_are_quantiles_in_random_order(rng):
    scores = normal_scores(np.ones(4), 2, rng)

    # quantiles of 1/8, 3/8, 5/8, 7/8 by their root mean square
    expected = np.array([-1.150349, -0.318639, 0.318639, 1.150349]) / 0.844059
    assert np.allclose(np.sort(scores, axis=0), expected[:, None], atol=1e-5)


def test_normal_scores_give_a_thing_of_much_weight_no_extreme(rng):
    weight = np.array([0.4, *np.full(60, 0.01)])

    scores = np.array([normal_scores(weight, 1, rng)[:, 0] for _ in range(200)])

    assert np.abs(scores[:, 0]).max() < 1.2
    assert np.abs(scores[:, 1:]).max() > 2.5
    assert np.allclose(scores @ weight, 0.0)
    assert np.allclose(scores**2 @ weight, 1.0)


def test_assigned_values_have_their_shares(rng):
    thing, share = exponential_shares(500), power_shares(20, 0.7)

    value = assign(thing, share, rng)

    assert np.abs(np.bincount(value, thing) - share).max() <= thing.max()


def test_blend_has_the_stated_parts(rng):
    weight = power_shares(3_000, 0.5)
    group = assign(weight, power_shares(40, 0.5), rng)

    blended = blend([(0.7, group), (0.3, np.arange(3_000))], weight, 3, rng)

    mean = [
        np.bincount(group, weight * column) / np.bincount(group, weight) for column in blended.T
    ]
    between = weight @ np.column_stack(mean)[group] ** 2
    assert weight @ blended**2 == pytest.approx(np.ones(3), abs=0.1)
    assert between == pytest.approx(np.full(3, 0.7), abs=0.06)


def test_whitening_makes_columns_uncorrelated(rng):
    weight = power_shares(200, 0.5)
    values = rng.normal(size=(200, 3)) @ rng.normal(size=(3, 3))
    values -= weight @ values

    white = values @ whitening(values, weight)

    assert np.allclose(white.T @ (weight[:, None] * white), np.eye(3))


def test_things_of_a_group_are_drawn_by_their_shares(rng):
    share = np.array([0.3, 0.1, 0.2, 0.4])
    arrival = Launched(share, np.array([0.0, 0.5, 0.0, 0.0]), np.array([2, 2]))
    elapsed = np.repeat([0.2, 0.8], 40_000)
    group = np.tile([0, 1], 40_000)

    drawn = arrival.draw(elapsed, rng, group)

    assert (drawn // 2 == group).all()
    late, second = (group == 0) & (elapsed > 0.5), group == 1
    assert (drawn[(group == 0) & ~late] == 0).all()
    assert (drawn[late] == 1).mean() == pytest.approx(0.25, abs=0.015)
    assert (drawn[second] == 3).mean() == pytest.approx(2 / 3, abs=0.015)
    assert arrival.exposure == pytest.approx(np.array([0.3, 0.05, 0.2, 0.4]) / 0.95)


def test_parts_of_the_log_odds_are_standardised_in_every_draw():
    for draw in range(3):
        simulation = Simulation(default_world(draw), 60_000)
        for things in (simulation.users, simulation.items):
            weight, traits = things.arrival.exposure, things.traits.full
            assert np.allclose(weight @ traits, 0.0, atol=1e-9)
            assert np.allclose(traits.T @ (weight[:, None] * traits), np.eye(5))
        level, weight = simulation.effects.level, simulation.domains.arrival.exposure
        assert weight @ level == pytest.approx(0.0, abs=1e-9)
        assert weight @ level**2 == pytest.approx(PRODUCTION.level_std**2)


def test_sums_over_columns_are_the_weighted_least_squares(rng):
    domains = make_domains(PRODUCTION, 60_000, rng)
    weight, columns = domains.arrival.exposure, domains.value_index.T
    own = rng.normal(size=(columns.max() + 1, 3))
    sums = sum(own[column] for column in columns)

    rest = rng.normal(size=sums.shape)
    rest -= sums_over_columns(domains, rest)

    assert np.allclose(sums_over_columns(domains, sums), sums)
    for column in columns:
        for values in rest.T:
            assert np.allclose(np.bincount(column, weight * values), 0.0, atol=1e-12)


def test_part_of_what_domains_do_is_of_no_single_column(rng):
    world = default_world(1)
    domains = make_domains(PRODUCTION, 255_000, rng)

    score = make_effects(world, domains, rng).score

    rest = score - sums_over_columns(domains, score)
    weight = domains.arrival.exposure
    assert np.allclose(weight @ rest**2 / (weight @ score**2), JOINT_PART)


def test_expected_auc_is_that_of_all_pairs_of_a_domain(rng):
    p, score, group = rng.random(40), rng.normal(size=40), rng.integers(0, 4, 40)
    group[0] = 9  # alone
    found = []
    for name in range(4):
        rows = np.flatnonzero(group == name)
        pairs = [(i, j) for i in rows for j in rows if i != j]
        weight = np.array([p[i] * (1 - p[j]) for i, j in pairs])
        wins = np.array([score[i] > score[j] for i, j in pairs])
        found.append((weight @ wins / weight.sum(), len(rows)))

    values, sizes = zip(*found, strict=True)
    assert expected_auc(p, score, group) == pytest.approx(np.average(values, weights=sizes))


@pytest.mark.parametrize("mechanism", ["bias", "none"])
def test_weights_of_domains_are_worth_nothing_where_they_are_shared(mechanism):
    simulation = Simulation(World(layout=PRODUCTION, mechanism=mechanism), 30_000)

    found = scores(simulation, log_of(simulation))

    assert found["worth of weights of domains"] == pytest.approx(0.0, abs=1e-12)
    assert found["worth of the second order"] > 0.02


def refusals(draw, num_rows):
    found = measure(default_world(draw), num_rows)
    return {
        name: (low, found[name], high)
        for name, (low, high) in CRITERIA.items()
        if not low <= found[name] <= high
    }


@pytest.mark.parametrize("draw", range(5))
def test_first_draws_are_accepted(draw):
    assert refusals(draw, acceptance.ROWS) == {}


@pytest.mark.slow
@pytest.mark.parametrize(("num_rows", "draws"), [(120_000, 40), (255_000, 40), (660_000, 10)])
def test_every_draw_is_accepted(num_rows, draws):
    assert {draw: refused for draw in range(draws) if (refused := refusals(draw, num_rows))} == {}


def test_command_prints_the_measures_and_fails_where_one_is_refused(monkeypatch, capsys):
    arguments = ["--draws", "2", "--rows", "30000"]
    monkeypatch.setattr(acceptance, "CRITERIA", {"Bayes AUC": (0.76, 0.84)})
    assert acceptance.main(arguments) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if "Bayes AUC" in line)
    low, middle, high = (float(cell) for cell in line.split("|")[2:5])
    assert 0.76 < low <= middle <= high < 0.84
    assert line.endswith("| 0.76 to 0.84 |")

    monkeypatch.setattr(acceptance, "CRITERIA", {"Bayes AUC": (0.9, 1.0)})
    assert acceptance.main(arguments) == 1
