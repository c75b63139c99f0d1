"""Words on how much there is to do and how long it takes."""

import math

import pytest

from benchmark.command_line.progress import duration, start_line


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (89.4, "89 s"),
        (90.0, "1.5 min"),
        (200.0, "3.5 min"),
        (1_500.0, "25 min"),
        (5_400.0, "1.5 h"),
        (40_000.0, "11 h"),
        (3 * 86_400.0, "3 days"),
    ],
)
def test_duration_has_the_unit_of_its_size(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("counts", "seconds", "num_workers", "text"),
    [
        ((40, 22), 240.0, 2, "62 trainings (40 trials, 22 runs), about 4 min, 2 workers"),
        ((0, 22), 30.0, 2, "22 runs, about 30 s, 2 workers"),
        ((3, 0), 5.0, 8, "3 trials, about 5 s, 3 workers"),
        ((0, 1), 5.0, 2, "1 run, about 5 s, 1 worker"),
        ((1, 1), math.nan, 1, "2 trainings (1 trial, 1 run), 1 worker"),
        ((40, 22), math.nan, None, "62 trainings (40 trials, 22 runs)"),
    ],
)
def test_start_line_says_what_is_known(counts, seconds, num_workers, text):
    assert start_line(*counts, seconds, num_workers) == text
