"""The evaluation grid and the selection rule are the same for every cell."""

from dataclasses import replace

import pytest

from benchmark.protocol import COMPACT, PRESETS


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


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.name)
def test_presets_select_within_their_epochs(preset):
    protocol = preset.protocol

    assert protocol.first_selectable_epoch <= protocol.max_epochs
    assert preset.num_seeds >= 2  # a spread needs two
