"""Draws of generated logs: their names, and what all of them have in common."""

from __future__ import annotations

import re

import numpy as np
import pytest

from datasets import catalog
from datasets.spec import DataError
from datasets.worlds import acceptance
from datasets.worlds.acceptance import (
    CRITERIA,
    DRAWS,
    RARITY,
    ROWS,
    SIZES,
    default_world,
    expected_auc,
    log_of,
    measure,
    scores,
)
from datasets.worlds.domains import JOINT_PART, make_domains, make_effects, sums_over_columns
from datasets.worlds.production import PRODUCTION
from datasets.worlds.public import PUBLIC
from datasets.worlds.simulation import Simulation
from datasets.worlds.world import Stream, World


@pytest.fixture
def rng():
    return np.random.default_rng(7)


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


@pytest.mark.parametrize("source", ["kuairand@1", "iaac@0"])
def test_draw_of_what_is_not_generated_is_refused(source):
    message = rf"{re.escape(repr(source))}: only generated logs have draws: synthetic_bias, "
    with pytest.raises(DataError, match=message):
        catalog.load(source)


def test_card_and_data_say_which_draw_it_is(prepare_entry, write_raw):
    first, second, named = (
        prepare_entry(name)
        for name in ("synthetic_production", "synthetic_production@2", "synthetic_production@1")
    )
    real = prepare_entry("iaac", write_raw("iaac"))

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


@pytest.mark.parametrize("draw", range(DRAWS))
def test_every_draw_is_accepted(draw):
    assert refusals(draw, ROWS) == {}


@pytest.mark.slow
@pytest.mark.parametrize("num_rows", [rows for rows in SIZES if rows != ROWS])
def test_every_draw_of_another_size_is_accepted(num_rows):
    found = {draw: refusals(draw, num_rows) for draw in range(DRAWS)}

    assert not any(found.values())


@pytest.mark.parametrize("draw", range(3))
def test_public_draws_have_their_click_rate_in_every_split(draw):
    world = World(layout=PUBLIC, mechanism="mixture", draw=draw)

    p_click = log_of(Simulation(world, 120_000)).p_click

    for part in np.split(p_click, [80_000, 100_000]):
        assert part.mean() == pytest.approx(PUBLIC.base_rate, rel=0.1)


@pytest.mark.real_data
def test_a_real_log_has_ids_as_rare(real_data, prepare_entry):
    data = prepare_entry("kuairand", real_data("kuairand_pure"))
    rows, fields = data.rows()[data.split["test"]], data.schema.fields

    for kind, name in (("user", "user_id"), ("item", "video_id")):
        place = fields.index(name)
        occurrences = data.frequencies()[place][rows[:, place]]
        for label, (least, most) in RARITY.items():
            low, high = CRITERIA[f"{kind} with {label} train rows"]
            assert low < ((least <= occurrences) & (occurrences <= most)).mean() < high


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
