"""Proposals of trials: the papers' values first, and the same ones however the search goes on."""

import numpy as np
import pytest

from benchmark.config import Regularisers
from benchmark.hyperparameters import (
    REGULARISERS,
    drawn_regularisers,
    params_of,
    space_of,
    with_params,
    with_tuned,
)
from benchmark.protocol import TUNING
from benchmark.references.registry import REFERENCES
from benchmark.trials import Trial, Tuned, best_of
from benchmark.tuner import next_round
from models.interfaces import Choice, Range, tuned
from models.registry import available, load_backbone, load_method

SPACE = {
    "method.rate": Range(low=1e-3, high=1.0, log=True),
    "method.steps": Range(low=1, high=5),
    "method.form": Choice(("a", "b", None)),
}
FIRST = {"method.rate": 0.0, "method.steps": 2, "method.form": "b"}
SEARCHES = [(backbone, "", "backbone") for backbone in available("backbones")]
SEARCHES += [("dnn", method, "method") for method in available("methods")]
SEARCHES += [(name, "reference", "method") for name in REFERENCES]


def value_of(params):
    """Highest near a rate of 0.1 and three steps."""
    rate = np.log10(max(params["method.rate"], 1e-3))
    return -((rate + 1) ** 2) - 0.1 * (params["method.steps"] - 3) ** 2


def trial(make_config, index, params, state="complete"):
    value = value_of(params) if state == "complete" else None
    return Trial(index=index, config=make_config(), params=params, state=state, value=value)


def search(make_config, num_trials, rounds, failed=()):
    """All trials of a search in rounds of these sizes."""
    trials = []
    for size in rounds:
        proposals = next_round(SPACE, FIRST, trials, min(size, num_trials - len(trials)))
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

    again = next_round(SPACE, FIRST, trials[:start], TUNING.trials_per_round)
    part = next_round(SPACE, FIRST, trials[:start], 2)

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


@pytest.mark.parametrize(("backbone", "method", "stage"), SEARCHES)
def test_a_search_has_few_own_dimensions_that_hold_the_defaults(backbone, method, stage):
    space = space_of(backbone, method, stage)

    own = [name for name in space if not name.startswith("regularisers.")]
    shared = [name for name in space if name.startswith("regularisers.")]
    assert len(own) <= 4
    assert len(shared) == (0 if method == "reference" else 3)
    for where in space.values():
        assert isinstance(where, Choice) or where.low < where.high


def regularisers_in(params):
    return {name: value for name, value in params.items() if name.startswith("regularisers.")}


def test_trial_i_has_the_same_regularisers_in_every_search(make_config):
    for backbone, method, stage in SEARCHES:
        if method == "reference":
            continue
        space = space_of(backbone, method, stage)
        base = make_config(backbone=backbone, method=method or "plain")
        configs = {"backbone_config": backbone, "method_config": method or "plain"}
        first = {name: where_default(name, configs) for name in space}
        trials = []
        for size in (4, 4, 4, 2):
            for params in next_round(space, first, trials, size):
                trials.append(done(base, len(trials), params))
        assert trials[0].params == first
        for one in trials[1:]:
            assert regularisers_in(one.params) == drawn_regularisers(one.index)
            assert list(one.params) == list(space)


def where_default(name, configs):
    """The papers' value of a searched name."""
    part, _, field = name.partition(".")
    if part == "regularisers":
        return getattr(Regularisers(), field)
    load = load_backbone if part == "backbone" else load_method
    return getattr(load(configs[f"{part}_config"]).config(), field)


def done(config, index, params):
    """A complete trial whose value depends on its index alone."""
    return Trial(index=index, config=config, params=params, state="complete", value=index % 5)


def test_a_search_without_own_values_is_the_stream_of_regularisers(make_config):
    space = space_of("dnn", "plain", "method")
    first = {f"regularisers.{name}": 0.0 for name in REGULARISERS}

    proposals = next_round(space, first, [], 6)

    assert proposals == [first, *(drawn_regularisers(index) for index in range(1, 6))]


def test_regularisers_are_zero_half_of_the_time_and_else_in_their_range():
    draws = [drawn_regularisers(index) for index in range(4000)]
    zeros = []
    for name, where in REGULARISERS.items():
        values = np.array([draw[f"regularisers.{name}"] for draw in draws])
        zeros.append(values == 0.0)
        kept = values[values > 0.0]
        middle = (where.low * where.high) ** 0.5 if where.log else (where.low + where.high) / 2
        assert zeros[-1].mean() == pytest.approx(0.5, abs=0.03)
        assert where.low <= kept.min() < kept.max() <= where.high
        assert (kept < middle).mean() == pytest.approx(0.5, abs=0.04)
    assert np.logical_and.reduce(zeros).mean() == pytest.approx(1 / 8, abs=0.02)  # independent


def test_regularisers_teach_the_sampler_nothing(make_config):
    space = SPACE | {"regularisers.dropout": Range(low=0.0, high=0.3)}
    first = FIRST | {"regularisers.dropout": 0.0}
    histories = []
    for dropout in (0.0, 0.3):
        trials = search(make_config, 12, [4] * 3)
        params = [one.params | {"regularisers.dropout": dropout} for one in trials]
        trials = [trial(make_config, index, one) for index, one in enumerate(params)]
        histories.append(next_round(space, first, trials, 4))

    assert histories[0] == histories[1]


@pytest.mark.parametrize(("backbone", "method", "stage"), SEARCHES)
def test_whatever_is_drawn_can_be_built(log, select, make_config, backbone, method, stage):
    from benchmark.planning import configure
    from benchmark.studies import Change

    base = configure(select(), "tiny", log, backbone, Change(method=method or "plain"))
    space = space_of(backbone, method, stage)
    first = params_of(base, space)

    assert with_params(base, first) == base
    for where, value in zip(space.values(), first.values(), strict=True):
        assert not isinstance(where, Choice) or value in where.values
    for params in next_round(space, first, [], 60):
        config = with_params(base, params)
        assert params_of(config, space) == params


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
