"""The figure of training curves: means and ranges over seeds, early stops, partial grids."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pytest

from reports.figures.curves import FIGURE

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from conftest import Folder

    from benchmark.config import RunConfig


def history(config: RunConfig, num: int = 3) -> pl.DataFrame:
    """Evaluations at half epochs, the dev AUC 0.7 and a hundredth more per seed and evaluation."""
    steps = range(1, num + 1)
    rows = {
        "step": [10 * step for step in steps],
        "epoch": [step / 2 for step in steps],
        "loss": [0.5 - step / 10 for step in steps],
        "auc": [0.7 + 0.01 * config.seed + 0.01 * step for step in steps],
    }
    if config.method == "adasparse":
        rows |= {"alpha": [1.0] * num, "penalty_weight": [0.1 * step for step in steps]}
        rows |= {f"sparsity/layer{i}": [0.2 * i] * num for i in (0, 1)}
    dev = pl.DataFrame(rows).with_columns(split=pl.lit("dev"))
    return pl.concat([dev.with_columns(auc=pl.lit(None, pl.Float64), split=pl.lit("train")), dev])


def table_of(
    folder: Folder, evaluations: Callable[[RunConfig], int] = lambda config: 3
) -> pd.DataFrame:
    """The table of a grid whose runs have these histories."""
    folder.history = lambda config: history(config, evaluations(config))
    folder.finish(folder.plan())
    return folder.tabulated(FIGURE)


def test_scores_are_mean_and_range_of_dev_over_the_seeds(folder: Folder):
    table = table_of(folder)

    own = table.query("backbone == 'dnn' and method == 'plain' and quantity == 'auc'")
    assert own["epoch"].tolist() == [0.5, 1.0, 1.5]
    assert own["mean"].tolist() == pytest.approx([0.73, 0.74, 0.75])
    assert own["low"].tolist() == pytest.approx([0.72, 0.73, 0.74])
    assert own["high"].tolist() == pytest.approx([0.74, 0.75, 0.76])
    assert set(own["evaluated"]) == set(own["runs"]) == {3}


def test_only_adasparse_has_schedules_and_its_bounds(folder: Folder):
    table = table_of(folder)

    found = {method: set(own["quantity"]) for method, own in table.groupby("method")}
    assert found["plain"] == {"auc", "loss"}
    assert found["adasparse"] == {
        *("auc", "loss", "alpha", "penalty_weight"),
        *("sparsity/layer0", "sparsity/layer1", "r_min", "r_max"),
    }
    assert set(table.query("quantity == 'r_min'")["mean"]) == {0.15}
    plain = table[table["method"] == "plain"]
    assert [len(FIGURE.draw(one).axes) for one in (table, plain)] == [8, 4]


def test_curve_ends_where_the_first_seed_stops(folder: Folder):
    table = table_of(folder, evaluations=lambda config: 2 if config.seed == 1 else 3)

    canvas = FIGURE.draw(table)

    own = table.query("backbone == 'dnn' and method == 'plain' and quantity == 'auc'")
    assert own["evaluated"].tolist() == [3, 3, 2]
    assert {tuple(line.get_xdata()) for line in canvas.axes[0].lines} == {(0.5, 1.0)}
    assert any("stopped early" in note for note in FIGURE.notes(table))


def test_figure_shades_the_band_that_training_aims_at(folder: Folder):
    canvas = FIGURE.draw(table_of(folder))

    labels = canvas.axes[3].get_legend_handles_labels()[1]

    assert labels == ["band [0.15, 0.25]", "layer0", "layer1"]


def test_panels_name_what_is_adasparses_and_have_a_tick_at_each_evaluation(folder: Folder):
    canvas = FIGURE.draw(table_of(folder))

    labels = [panel.get_ylabel() for panel in canvas.axes[:4]]
    assert [label.startswith("AdaSparse's") for label in labels] == [False, False, True, True]
    assert canvas.axes[0].get_xticks().tolist() == [0.5, 1.0, 1.5]
    assert "range over the runs" in [text.get_text() for text in canvas.legends[0].get_texts()]
