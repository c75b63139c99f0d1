"""The heat map of gains by bin: its numbers are those of figure 3b, and unclear ones are muted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from reports.analysis import long_tail
from reports.figures.bin_gains import FIGURE
from reports.look.part import rendered
from reports.reading.load import load_runs

if TYPE_CHECKING:
    from pathlib import Path

    from reports.reading.load import Runs


@pytest.fixture(scope="module")
def runs(whole_grid: Path) -> Runs:
    return load_runs(whole_grid)


@pytest.fixture(scope="module")
def table(runs: Runs) -> pd.DataFrame:
    return FIGURE.tabulate(runs)


def test_gains_are_those_of_figure_3b(runs: Runs, table: pd.DataFrame) -> None:
    gains = long_tail.tabulate(runs)

    for metric in ("gauc", "auc"):
        own = table.loc[table["metric"] == metric, "gain_mean"]
        np.testing.assert_array_equal(own, gains[f"{metric}_delta_mean"])


def test_gain_is_clear_where_its_interval_excludes_zero(table: pd.DataFrame) -> None:
    excludes = table["gain_low"] * table["gain_high"] > 0.0

    assert table["is_clear"].tolist() == excludes.tolist()


def test_clear_gains_have_colour_and_all_known_ones_are_printed(table: pd.DataFrame) -> None:
    one = table[(table["backbone"] == "dnn") & table["gain_mean"].notna()]
    clear = one.assign(is_clear=[True, *[False] * (len(one) - 1)], gain_mean=0.001234)

    canvas = FIGURE.draw(clear)

    texts = [text for panel in canvas.axes for text in panel.texts]
    assert [text.get_text() for text in texts] == ["+12.3"] * len(one)
    assert len({text.get_color() for text in texts}) == 2


def test_no_clear_gain_is_drawn_too(table: pd.DataFrame) -> None:
    assert rendered(FIGURE, table.assign(is_clear=False)).png
