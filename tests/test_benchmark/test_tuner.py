"""Proposals of trials: the papers' values first, and the same ones however the search goes on."""

import itertools

import numpy as np
import pytest

from benchmark.config import Regularisers
from benchmark.planning.cells import configure
from benchmark.planning.hyperparameters import (
    own_space,
    shared_space,
    shared_values,
    with_params,
    with_tuned,
)
from benchmark.planning.studies import Change
from benchmark.protocol import PRESETS, TUNING
from benchmark.references.registry import REFERENCES
from benchmark.store.trials import Trial, Tuned, best_of
from benchmark.tuning.sampler import next_round
from models.interfaces import Choice, Range, tuned
from models.registry import available

SPACE = {
    "method.rate": Range(low=1e-3, high=1.0, log=True),
    "method.steps": Range(low=1, high=5),
    "method.form": Choice(("a", "b", None)),
}
FIRST = {"method.rate": 0.0, "method.steps": 2, "method.form": "b"}
NETWORKS = list(itertools.product(available("backbones"), available("methods")))
SEARCHES = [*NETWORKS, *((name, "reference") for name in REFERENCES)]


def value_of(params):
    """Highest near a rate of 0.1 and three steps."""
    rate = np.log10(max(params["method.rate"], 1e-3))
    return -((rate + 1) ** 2) - 0.1 * (params["method.steps"] - 3) ** 2


def trial(make_config, index, params, state="complete"):
    value = value_of(params) if state == "complete" else None
    return Trial(index=index, config=make_config(), params=params, state=state, value=value)


def proposed(trials, count, space=SPACE, first=FIRST, search=1):
    """What the next trials try."""
    return next_round(space, first, trials, count=count, search=search)


def search(make_config, num_trials, rounds, failed=(), number=1):
    """All trials of a search in rounds of these sizes."""
    trials = []
    for size in rounds:
        proposals = proposed(trials, min(size, num_trials - len(trials)), search=number)
        for params in proposals:
            index = len(trials)
            state = "failed" if index in failed else "complete"
            trials.append(trial(make_config, index, params, state))
    return trials


def test_first_trial_has_the_papers_values_even_outside_the_space(make_config):
    assert search(make_config, 1, [1])[0].params == FIRST


def test_drawn_values_lie_in_the_space_and_differ(make_config):
    trials = search(make_config, 24, [4] * 6)[1:]

    for one in trials:
        assert 1e-3 <= one.params["method.rate"] <= 1.0
        assert one.params["method.steps"] in range(1, 6)
        assert one.params["method.form"] in ("a", "b", None)
    assert len({one.params["method.rate"] for one in trials}) == len(trials)


@pytest.mark.parametrize("size", [4, 10, 22])
def test_a_round_asked_for_again_in_part_is_the_same(make_config, size):
    trials = search(make_config, 24, [4] * 6)
    start = size - size % TUNING.trials_per_round

    again = proposed(trials[:start], TUNING.trials_per_round)
    part = proposed(trials[:start], 2)

    assert again == [one.params for one in trials[start : start + TUNING.trials_per_round]]
    assert part == again[:2]


def test_more_trials_continue_a_shorter_search(make_config):
    short = search(make_config, 12, [4] * 3)
    longer = search(make_config, 24, [4] * 6)

    assert [one.params for one in longer[:12]] == [one.params for one in short]


def test_later_rounds_learn_from_earlier_ones(make_config):
    trials = search(make_config, 60, [4] * 15)

    start = [value_of(one.params) for one in trials[1 : TUNING.startup_trials]]
    end = [value_of(one.params) for one in trials[-20:]]
    assert np.median(end) > np.median(start)


def test_failed_trials_teach_nothing_but_keep_their_index(make_config):
    trials = search(make_config, 12, [4] * 3, failed={1, 2})

    assert [one.index for one in trials] == list(range(12))
    assert best_of(trials).index not in {1, 2}
    assert best_of([one for one in trials if one.state == "failed"]) is None


def test_best_of_equal_trials_is_the_earliest(make_config):
    trials = [trial(make_config, index, FIRST) for index in range(3)]

    assert best_of(trials).index == 0


def test_two_searches_differ_in_all_but_the_papers_values(make_config):
    first, second = (search(make_config, 12, [4] * 3, number=number) for number in (1, 2))

    assert first[0].params == second[0].params == FIRST
    for one, other in zip(first[1:], second[1:], strict=True):
        assert one.params["method.rate"] != other.params["method.rate"]
        for backbone in available("backbones"):
            assert shared_values(backbone, 1, one.index) != shared_values(backbone, 2, one.index)


@pytest.mark.parametrize(("backbone", "method"), SEARCHES)
def test_a_search_has_few_own_dimensions_that_hold_the_defaults(backbone, method):
    own, shared = own_space(backbone, method), shared_space(backbone)

    assert len(own) <= 4
    assert not own.keys() & shared.keys()
    for where in (own | shared).values():
        assert isinstance(where, Choice) or where.low < where.high


def test_shared_values_teach_the_sampler_nothing(make_config):
    histories = []
    for dropout in (0.0, 0.3):
        trials = search(make_config, 12, [4] * 3)
        params = [one.params | {"regularisers.dropout": dropout} for one in trials]
        trials = [trial(make_config, index, one) for index, one in enumerate(params)]
        histories.append(proposed(trials, 4))

    assert histories[0] == histories[1]


@pytest.mark.parametrize(("backbone", "method"), SEARCHES)
def test_whatever_is_drawn_can_be_built(log, select, backbone, method):
    base = configure(select(), "tiny", log, backbone, Change(method=method))
    own, shared = own_space(backbone, method), shared_space(backbone)
    values = Tuned.of(base).values
    first = {name: values[name] for name in own | shared}

    assert with_params(base, first) == base
    for where, value in zip((own | shared).values(), first.values(), strict=True):
        assert not isinstance(where, Choice) or value in where.values
    proposals = proposed([], 60, space=own, first=first)
    for index, values in enumerate(proposals[1:], start=1):
        params = values | shared_values(backbone, 1, index)
        found = Tuned.of(with_params(base, params)).values
        assert {name: found[name] for name in own | shared} == params


@pytest.mark.parametrize(
    ("default", "space"), [("c", Choice(("a", "b"))), (None, Range(low=1, high=5))]
)
def test_a_default_that_cannot_be_tried_is_refused(default, space):
    with pytest.raises(ValueError, match="is not in"):
        tuned(default, space)


def test_pinned_values_win_over_tuned_ones(make_config):
    config = make_config(
        method="adasparse", method_config={}, pinned={"alpha_start": 5.0, "alpha_max": 5.0}
    )
    chosen = Tuned(
        backbone_config={},
        method_config={"alpha_max": 3.0, "ramp_epochs": 0.3},
        regularisers=Regularisers(dropout=0.1),
    )

    merged = with_tuned(config, chosen)

    assert merged.method_config["alpha_max"] == 5.0
    assert merged.method_config["ramp_epochs"] == 0.3
    assert merged.regularisers.dropout == 0.1
    assert merged.slot_id == config.slot_id


def test_every_search_of_a_preset_has_a_seed_of_its_own():
    seeds = TUNING.sampler_seeds

    assert len(set(seeds)) == len(seeds)
    assert all(1 <= preset.num_searches <= len(seeds) for preset in PRESETS.values())
    assert {name: preset.num_searches for name, preset in PRESETS.items()} == {
        **{"smoke": 1, "quick": 1, "standard": 2, "paper": 2}
    }
