"""A preset that shows nothing: its tables and figures have numbers and no verdicts."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from reports.analysis.comparisons import compare
from reports.build import load_figures, load_tables
from reports.look.table import to_markdown
from reports.reading.load import Runs, load_runs

SAMPLE = Path(__file__).parents[2] / "reports" / "reference"  # of the preset smoke
VERDICTS = (  # words that open a judgement, of several parts
    *("beat their control", "no change seen", "moves most", "told from 0"),
    *("of the gain of", "CD is"),
)


@pytest.fixture(scope="module")
def runs() -> Runs:
    """The committed sample."""
    return load_runs(SAMPLE)


@pytest.mark.parametrize("name", ["awareness", "mechanisms", "sensitivity"])
def test_tables_judge_nothing(runs: Runs, name: str) -> None:
    table = load_tables()[name]
    numbers = table.tabulate(runs)

    text, judged = (
        to_markdown(name, table.arrange(own))
        for own in (numbers, numbers.assign(has_verdicts=True))
    )

    assert not [words for words in VERDICTS if words in text]
    assert [words for words in VERDICTS if words in judged]


def test_ranks_are_not_tested(runs: Runs) -> None:
    figure = load_figures()["significance"]

    table = figure.tabulate(runs)

    assert "too small" in figure.notes(table)[-1]
    assert all("no ranks are told" in axes.get_title() for axes in figure.draw(table).axes)


def test_no_model_has_a_star(runs: Runs) -> None:
    table: pd.DataFrame = compare(runs)

    assert len(table)
    assert not table["star"].any()
