"""The evaluation grid and the selection rule are the same for every cell, and so are budgets."""

from dataclasses import replace

import pytest

from benchmark.cost.random_log import model_on, random_schema
from benchmark.planning.cells import lay_out
from benchmark.planning.studies import STUDIES
from benchmark.protocol import COMPACT, PRESETS, TUNING


def test_grid_has_the_end_of_every_epoch_and_the_same_number_of_marks():
    protocol = replace(COMPACT, max_epochs=3, evaluations_per_epoch=2)

    assert protocol.evaluation_steps(steps_per_epoch=10) == (5, 10, 15, 20, 25, 30)
    assert protocol.evaluation_steps(steps_per_epoch=7) == (4, 7, 11, 14, 18, 21)


def test_grid_of_a_one_step_epoch_has_no_repeated_mark():
    protocol = replace(COMPACT, max_epochs=2, evaluations_per_epoch=4)

    assert protocol.evaluation_steps(steps_per_epoch=1) == (1, 2)


@pytest.mark.parametrize(("step", "expected"), [(9, False), (10, True), (11, True)])
def test_checkpoints_are_candidates_from_the_first_selectable_epoch(step, expected):
    protocol = replace(COMPACT, first_selectable_epoch=1.0)

    assert protocol.is_selectable(step, steps_per_epoch=10) is expected


@pytest.mark.parametrize(
    ("first", "patience", "cap", "least"), [(1.0, 1, 6, 2), (0.5, 2, 6, 3), (2.0, 3, 4, 4)]
)
def test_shortest_training_has_one_candidate_and_its_patience(first, patience, cap, least):
    protocol = replace(
        COMPACT, first_selectable_epoch=first, patience_epochs=patience, max_epochs=cap
    )

    assert protocol.least_epochs == least


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.name)
def test_presets_select_within_their_epochs(preset):
    protocol = preset.protocol

    assert protocol.first_selectable_epoch <= protocol.max_epochs
    assert preset.real_main_seeds >= preset.real_seeds >= 2  # a spread needs two
    assert preset.num_draws >= 2
    assert preset.main_seeds >= 1
    assert TUNING.draw not in range(1, preset.num_draws + 1)


def test_cells_of_table_1_have_more_seeds_than_those_of_other_studies(logs, select):
    preset = replace(PRESETS["smoke"], real_main_seeds=4, real_seeds=3)

    plan = lay_out(select(preset=preset, num_seeds=None), logs)

    def seeds(study):
        return {plan.slots[slot].seed for slot in plan.studies[study]}

    for study in ("main", "cost", "emerging", "references"):
        assert seeds(study) == {1, 2, 3, 4}
    assert seeds("ablations") == seeds("formulations") == {1, 2, 3}
    table_1 = {name for name, study in STUDIES.items() if study.is_of_table_1}
    assert table_1 == {"main", "cost", "references", "emerging", "ab_test", "zoo"}


def test_a_longer_schedule_is_refused():
    early = replace(COMPACT, first_selectable_epoch=0.5)

    with pytest.raises(ValueError, match=r"adasparse run for 0\.6 epochs"):
        model_on(random_schema((9, 9, 9, 9)), early, "dnn", "adasparse")


@pytest.mark.parametrize(
    "changes",
    [{"batch_size": 0}, {"patience_epochs": 0}, {"first_selectable_epoch": 9.0}, {"max_epochs": 0}],
)
def test_values_out_of_range_are_refused(changes):
    with pytest.raises(ValueError, match=next(iter(changes))):
        replace(COMPACT, **changes)
