"""Quality against cost: who is efficient, and what the panels hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from reports.figures.pareto import FIGURE, efficient
from reports.statistics.paired_tests import paired_interval
from tests.test_reports.conftest import bounds_of

if TYPE_CHECKING:
    from conftest import Folder


def test_models_are_efficient_unless_another_is_no_worse_and_somewhere_better() -> None:
    cost = np.array([1.0, 2.0, 2.0, 3.0, 4.0, 1.0])
    quality = np.array([0.5, 0.7, 0.6, 0.7, 0.8, 0.5])

    found = efficient(cost, quality)

    assert found.tolist() == [True, True, False, False, True, True]  # equal ones both are


def test_points_are_means_with_intervals_of_the_difference_to_plain(finished: Folder) -> None:
    table = finished.tabulated(FIGURE)

    own = table[(table["backbone"] == "dcnv2") & (table["method"] == "adasparse")]
    row = own[(own["quality"] == "gauc") & (own["cost"] == "parameters")].iloc[0]
    gauc, plain = (finished.over_seeds("gauc", m, "dcnv2") for m in ("adasparse", "plain"))
    gap = paired_interval(gauc - plain)
    expected = [gauc.mean() - gap.mean + end for end in (gap.mean, gap.low, gap.high)]
    assert bounds_of(row, "quality") == pytest.approx(expected)
    assert table.loc[table["method"] == "plain", "quality_low"].isna().all()
    assert row["cost_mean"] == 4900 - 4000
    assert len(own) == 2 * 4
    assert set(own["runs"]) == {3}


def test_models_of_one_cost_are_ranked_by_quality_within_their_backbone(
    finished: Folder,
) -> None:
    table = finished.tabulated(FIGURE)

    panels = table.groupby(["backbone", "quality", "cost"])
    best = table.loc[panels["quality_mean"].idxmax()]
    assert len(best) == 2 * 2 * 4
    assert best["is_efficient"].all()
    assert table["is_efficient"].sum() == len(best)


def test_figure_has_a_panel_per_backbone_quality_and_cost(finished: Folder) -> None:
    canvas = FIGURE.draw(finished.tabulated(FIGURE))

    assert len(canvas.axes) == 2 * 2 * 4
    titles = [part.get_suptitle() for part in canvas.subfigs]
    assert titles == ["world (domains: scenario), DNN", "world (domains: scenario), DCNv2"]
    assert all(len(panel.containers) == 2 for panel in canvas.axes)


def test_one_seed_of_a_plug_in_without_gauc_is_drawn_without_bars(folder: Folder) -> None:
    config = folder.config("dnn", "my_method", 1)
    folder.plan_of({"cost": [config]})
    folder.run(config, gauc=float("nan"))

    table = folder.tabulated(FIGURE)

    assert set(table["quality"]) == {"auc"}
    assert table["quality_low"].isna().all()
    canvas = FIGURE.draw(table)
    points = [container for panel in canvas.axes for container in panel.containers]
    assert len(points) == 4
    assert not any(container.has_yerr or container.has_xerr for container in points)
    assert [text.get_text() for text in canvas.legends[0].get_texts()] == ["my_method"]


def test_more_backbones_than_fit_are_named_in_the_caption(finished: Folder) -> None:
    table = finished.tabulated(FIGURE)
    more = pd.concat([table.assign(dataset=f"world{i}") for i in range(3)])

    assert len(FIGURE.draw(more).subfigs) == 4
    assert "first 4 of 6" in FIGURE.notes(more)[-1]
    assert "first" not in FIGURE.notes(table)[-1]


def test_one_far_interval_does_not_set_the_axis(finished: Folder) -> None:
    table = finished.tabulated(FIGURE)
    is_own = (table["backbone"] == "dnn") & (table["quality"] == "auc")
    far = table.index[is_own & (table["method"] == "adasparse")]
    table.loc[is_own, ["quality_low", "quality_high"]] = np.nan
    wide = pd.concat([table, table[is_own].assign(method="star"), table[is_own].assign(method="x")])
    wide = wide.reset_index(drop=True)
    is_new = wide["method"].isin(["star", "x"])
    wide.loc[is_new, "quality_low"] = wide["quality_mean"] - 0.01
    wide.loc[is_new, "quality_high"] = wide["quality_mean"] + 0.01
    wide.loc[far, ["quality_low", "quality_high"]] = [0.0, 1.0]

    panel = FIGURE.draw(wide).axes[0]

    low, high = panel.get_ylim()
    assert high - low < 0.2
    arrows = {line.get_marker(): line.get_ydata()[0] for line in panel.lines}
    assert (arrows["v"], arrows["^"]) == (low, high)
