"""The critical-difference diagram: ranks, Friedman, Nemenyi, and what it says of few blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from reports.figures.significance import FIGURE, _cliques, _nemenyi
from reports.look.part import rendered

if TYPE_CHECKING:
    from conftest import Folder


@pytest.mark.parametrize(
    ("num_methods", "quantile"), [(2, 1.960), (5, 2.728), (10, 3.164)]
)  # Demsar (2006), table 5a
def test_critical_difference_is_demsars(num_methods, quantile) -> None:
    expected = quantile * np.sqrt(num_methods * (num_methods + 1) / (6 * 14))

    assert _nemenyi(num_methods, 14) == pytest.approx(expected, abs=2e-3)


def test_ranks_are_of_means_over_the_seeds_for_each_backbone(finished: Folder) -> None:
    table = finished.tabulated(FIGURE)

    means = [
        [finished.over_seeds("auc", method, backbone).mean() for method in ("adasparse", "plain")]
        for backbone in ("dcnv2", "dnn")
    ]
    gains = [own > plain for own, plain in means]
    ranks = table[table["metric"] == "auc"].set_index("method")["mean_rank"]
    assert ranks["adasparse"] == pytest.approx(2 - np.mean(gains))
    assert ranks.sum() == 3
    assert set(table["blocks"]) == {2}
    assert table["friedman_p"].isna().all()  # two methods


def test_incomplete_blocks_are_left_out(folder: Folder) -> None:
    folder.plan()
    runs = (("plain", 1), ("adasparse", 1), ("adasparse", 2))
    folder.finish(folder.config("dnn", *run) for run in runs)

    table = folder.tabulated(FIGURE)

    assert set(table["blocks"]) == {1}
    assert table["critical_difference"].isna().all()
    assert "too few for a critical difference" in FIGURE.notes(table)[-1]
    assert rendered(FIGURE, table).png.startswith(b"\x89PNG")


def test_one_method_has_no_ranks(folder: Folder) -> None:
    folder.finish(config for config in folder.plan() if config.method == "adasparse")

    assert folder.tabulated(FIGURE).empty


def test_bars_join_what_differs_by_less() -> None:
    ranks = np.array([1.0, 1.5, 2.6, 4.0, 4.5])

    assert _cliques(ranks, 1.2) == [(1.0, 1.5), (1.5, 2.6), (4.0, 4.5)]
    assert _cliques(ranks, 9.0) == [(1.0, 4.5)]
    assert _cliques(ranks, np.nan) == []


def test_diagram_names_every_method_and_its_rank() -> None:
    methods = ["plain", "maml", "star", "apg", "adasparse", "my_method"]
    table = pd.DataFrame(
        {
            "metric": "auc",
            "method": methods,
            "mean_rank": np.arange(6) + 1.0,
            "blocks": 6,
            "data_sets": 1,
            "has_verdicts": True,
            "friedman_p": 0.01,
            "critical_difference": 2.0,
        }
    )

    axes = FIGURE.draw(table).axes[0]

    texts = " ".join(text.get_text() for text in axes.texts)
    assert all(f"{name} {rank}.00" in texts for name, rank in [("plain", 1), ("my_method", 6)])
    assert "CD 2.00" in texts
    assert "Friedman p = 0.010" in axes.get_title()


@pytest.mark.parametrize(("p", "is_told"), [(0.01, True), (0.3, False), (np.nan, False)])
def test_diagram_tells_nothing_apart_unless_friedman_rejects(p: float, is_told: bool) -> None:
    table = pd.DataFrame(
        {
            "metric": "auc",
            "method": ["plain", "maml", "star"],
            "mean_rank": [1.0, 1.2, 3.0],
            "blocks": 6,
            "data_sets": 1,
            "has_verdicts": True,
            "friedman_p": p,
            "critical_difference": 1.0,
        }
    )

    canvas = FIGURE.draw(table)

    axes = canvas.axes[0]
    assert any("CD" in text.get_text() for text in axes.texts) == is_told
    assert bool(canvas.legends) == is_told  # of the bars
    assert ("no ranks are told apart" in axes.get_title()) != is_told
