"""Ranks of models: their intervals, the leaderboard of a log, and means over logs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from benchmark.metrics import SCORES
from reports.analysis.comparisons import compare
from reports.analysis.focus import compare_focus
from reports.analysis.ranking import over_logs, ranking
from reports.look.table import multiple
from reports.reading.load import load_runs
from reports.statistics.ranks import rank_intervals
from reports.tables import leaderboard
from reports.tables import over_logs as over_logs_table

if TYPE_CHECKING:
    from conftest import Folder


def test_rank_of_a_model_that_is_always_best_is_certain() -> None:
    values = np.array([[0.7, 0.71, 0.72], [0.6, 0.61, 0.62], [0.601, 0.6, 0.63]])

    bounds = rank_intervals(values, [0, 0, 0], (np.zeros((3, 5)), (np.arange(5),)))

    assert bounds[0].tolist() == [1.0, 1.0]
    assert bounds[1].tolist() == bounds[2].tolist() == [2.0, 3.0]


def test_ranks_of_equal_models_are_their_mean() -> None:
    bounds = rank_intervals(np.full((3, 4), 0.5), [1, 1, 2, 2], None)

    assert (bounds == 2.0).all()


def test_test_rows_widen_ranks() -> None:
    values = np.array([[0.70, 0.70], [0.69, 0.69]])
    influences = np.zeros((2, 400))
    influences[0] = np.random.default_rng(1).normal(0.0, 0.001, 400)  # 0.02 of a score

    alone = rank_intervals(values, [0, 0], (0.0 * influences, (np.arange(400),)))
    with_rows = rank_intervals(values, [0, 0], (influences, (np.arange(400),)))

    assert alone.tolist() == [[1.0, 1.0], [2.0, 2.0]]
    assert with_rows.tolist() == [[1.0, 2.0], [1.0, 2.0]]


def test_bootstrap_of_rows_has_the_variance_of_their_clusters() -> None:
    from reports.statistics.ranks import _of_rows

    random = np.random.default_rng(3)
    cluster = random.integers(0, 50, 600)
    influences = random.normal(size=(1, 600))

    changes = _of_rows(np.random.default_rng(0), influences, (cluster,))

    sums = np.bincount(cluster, influences[0])
    expected = np.sqrt(((sums - sums.mean()) ** 2).sum())
    assert changes.std() == pytest.approx(expected, rel=0.1)
    assert changes.mean() == pytest.approx(0.0, abs=0.15 * expected)


def test_draws_are_resampled_as_wholes() -> None:
    values = np.array([[0.7, 0.5, 0.7, 0.5], [0.6, 0.6, 0.6, 0.6]])

    apart = rank_intervals(values, [1, 1, 2, 2], None)  # both draws have a mean of 0.6

    assert (apart == 1.5).all()


def test_leaderboard_ranks_the_models_of_a_log(studied: Folder) -> None:
    runs = load_runs(studied.store.out)
    table = ranking(runs)

    assert table["rank"].tolist() == [1.0, 2.0, 3.0]
    assert table["auc_mean"].is_monotonic_decreasing
    assert (table["rank_low"] <= table["rank"]).all()
    assert (table["rank"] <= table["rank_high"]).all()
    for row in table.to_dict("records"):
        calibration = studied.over_seeds("calibration", row["method"]).mean()
        assert row["calibration_mean"] == pytest.approx(calibration)
    tests = compare(runs).set_index(["method", "metric", "kind"])
    own = table.set_index("method").loc["adasparse"]
    p_value = tests.loc[("adasparse", "auc", "baseline"), "two_way_p_holm"]
    assert own["auc_is_told"] == (p_value < 0.05)
    behind = compare_focus(runs).set_index("method")["auc_delta_mean"]
    assert table.set_index("method")["best_delta_mean"].to_dict() == pytest.approx(
        behind.to_dict(), nan_ok=True
    )


def test_leaderboard_is_that_of_the_study_alone(studied: Folder) -> None:
    runs = load_runs(studied.store.out)
    studies = {name: slots for name, slots in runs.studies.items() if name != "zoo"}

    assert ranking(replace(runs, studies=studies)).empty


def test_leaderboard_shows_gains_in_their_unit_and_ranks(studied: Folder) -> None:
    shown = studied.shown(leaderboard.TABLE)
    table = studied.tabulated(leaderboard.TABLE).set_index("method")

    row = table.loc["adasparse"]
    gain = row["auc_delta_mean"] / SCORES["auc"].difference_unit
    assert shown["DNN +AdaSparse"]["Δ AUC"].startswith(f"{gain:+.1f}")
    assert shown["DNN +AdaSparse"]["Rank"].startswith(f"{row['rank']:.0f} [")
    assert shown["DNN"]["Δ AUC"] == ""
    assert shown["DNN"]["Training"] == "1.0 \N{MULTIPLICATION SIGN}"
    assert shown["DNN +AdaSparse"]["Own"] == ""  # nothing was searched


def test_over_logs_counts_ranks_and_gains() -> None:
    rows = [
        ("a", "plain", 2.0, np.nan, False),
        ("a", "star", 1.0, 0.01, True),
        ("b", "plain", 1.0, np.nan, False),
        ("b", "star", 2.0, -0.01, True),
        ("c", "star", 1.0, 0.001, False),
    ]
    names = ["dataset", "method", "rank", "auc_delta_mean", "auc_is_told"]
    table = pd.DataFrame(rows, columns=names).assign(backbone="dnn", partition="tab")

    found = over_logs(table)

    assert found["method"].tolist() == ["star", "plain"]
    assert found["logs"].tolist() == [3, 2]
    assert found["mean_rank"].tolist() == [pytest.approx(4 / 3), 1.5]
    assert found["gains"].tolist() == [2, pd.NA]
    assert found["told"].tolist() == [1, pd.NA]
    layout = over_logs_table.arrange(found.assign(names="a, b and c"))
    _, *texts = [entry.text for entry in layout.blocks[0].rows[0]]
    assert texts == ["1.3", "2 of 3", "1 of 3"]


@pytest.mark.parametrize(
    ("ratio", "digits"), [(1.0, "1.0"), (12.34, "12"), (0.04, "0.0"), (float("nan"), "")]
)
def test_multiple_has_two_digits(ratio: float, digits: str) -> None:
    assert multiple(ratio).removesuffix(" \N{MULTIPLICATION SIGN}") == digits
