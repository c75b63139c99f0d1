"""On which logs, and which of their draws, studies have cells and searches."""

from dataclasses import replace
from itertools import product

import pytest

from benchmark.planning.cells import lay_out
from benchmark.planning.selection import logs_to_prepare
from benchmark.planning.studies import STUDIES, WORLDS
from benchmark.protocol import PRESETS

SMOKE = PRESETS["smoke"]


@pytest.fixture
def worlds(log, with_variants):
    """Stand-ins for the prepared draws of the worlds, by their words."""
    found = {}
    for name, draw in product(WORLDS, range(SMOKE.num_draws + 1)):
        spec, word = replace(log.spec, name=name), f"{name}@{draw}"
        found[word] = replace(log, spec=spec, fingerprint=word, card=log.card | {"draw": draw})
    return with_variants(found)


def drawn(*worlds, num=SMOKE.num_draws):
    """The words of all draws."""
    return [f"{name}@{draw}" for name in worlds for draw in range(1, num + 1)]


def world_selection(select, **changes):
    return select(**{"studies": list(STUDIES), "data": ["synthetic_production"], **changes})


def test_other_worlds_have_the_cells_of_their_study_alone(worlds, select):
    plan = lay_out(world_selection(select), worlds)

    mechanisms = [plan.slots[slot] for slot in plan.studies["mechanisms"]]
    assert len(mechanisms) == 5 * 2 * 3 * 2  # worlds; draws; plain, adasparse, its control; seeds
    assert {config.backbone for config in mechanisms} == {"dnn"}
    shared = set(plan.studies["mechanisms"]) & set(plan.studies["main"])
    assert len(shared) == 2 * 2 * 2  # the main cells of the main world
    others = {config.dataset for slot, config in plan.slots.items() if slot not in mechanisms}
    assert {plan.slots[slot].dataset for slot in plan.studies["main"]} == {"synthetic_production"}
    assert others == set(WORLDS)
    assert all(log.spec.name == plan.slots[slot].dataset for slot, log in plan.logs.items())
    assert plan.studies["ab_test"] == plan.studies["emerging"] == plan.studies["main"]


def test_cells_are_on_the_draws_of_tables_and_searches_on_another(worlds, select):
    plan = lay_out(world_selection(select, studies=["main"]), worlds)

    configs = [plan.slots[slot] for slot in plan.studies["main"]]
    assert {(config.draw, config.seed) for config in configs} == {(1, 1), (2, 1), (1, 2), (2, 2)}
    assert {config.folder[0] for config in configs} == {f"synthetic_production@{d}" for d in (1, 2)}
    assert all(plan.logs[config.slot_id].draw == config.draw for config in configs)
    assert {base.log for base in plan.bases.values()} == {"synthetic_production@0"}


def test_a_draw_that_data_names_is_the_only_one(worlds, select):
    selection = world_selection(select, studies=["main"], data=["synthetic_production@2"])
    plan = lay_out(selection, worlds)

    assert {config.draw for config in plan.slots.values()} == {2}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, [*drawn(*WORLDS), "synthetic_production@0"]),
        (
            {"data": ["synthetic_bias", "iaac"]},
            [*drawn("synthetic_bias"), "iaac", *drawn(*WORLDS[:-1]), "synthetic_bias@0"],
        ),
        ({"studies": ["main"]}, [*drawn("synthetic_production"), "synthetic_production@0"]),
        ({"methods": ["plain"]}, [*drawn("synthetic_production"), "synthetic_production@0"]),
        ({"preset": PRESETS["quick"]}, [*drawn(*WORLDS[:2], num=4), "synthetic_production@0"]),
        (
            {"preset": PRESETS["quick"], "data": ["synthetic_bias"]},
            [*drawn("synthetic_bias", *WORLDS[:1], num=4), "synthetic_bias@0"],
        ),
        ({"studies": ["main"], "num_trials": 0}, drawn("synthetic_production")),
        (
            {"studies": ["main"], "data": ["synthetic_bias@7"], "num_trials": 0},
            ["synthetic_bias@7"],
        ),
    ],
)
def test_worlds_are_prepared_only_for_their_study(select, changes, expected):
    selection = world_selection(select, **changes)
    found = logs_to_prepare(selection)

    assert list(found) == expected
    named = {word.partition("@")[0] for word in selection.data}
    assert all(is_named == (log.partition("@")[0] in named) for log, is_named in found.items())


def test_logs_that_a_study_adds_are_searched_only_by_presets_that_say_so(worlds, select):
    own = replace(select().preset, tunes_every_log=True)

    shared = lay_out(world_selection(select), worlds)
    each = lay_out(world_selection(select, preset=own), worlds)

    assert {key.log for key in shared.bases} == {"synthetic_production@0"}
    assert {key.log for key in each.bases} == {f"{world}@0" for world in WORLDS}
