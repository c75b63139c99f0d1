"""Words on how long something takes."""

import pytest

from benchmark.command_line.progress import duration


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
