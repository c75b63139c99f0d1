"""The reliability plot: its bins against pandas, its panels, and models without rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from reports.figures.reliability import FIGURE, NUM_BINS, reliability
from reports.reading.load import load_runs
from reports.reading.predictions import ScoredRows

if TYPE_CHECKING:
    from conftest import Folder


def scored(num: int, seed: int) -> ScoredRows:
    """Rows whose labels follow their logits."""
    random = np.random.default_rng(seed)
    logit = random.normal(-1.5, 1.0, num).astype(np.float32)
    label = (random.random(num) < 1.0 / (1.0 + np.exp(-logit))).astype(np.int8)
    nothing = np.zeros(num, np.int32)
    return ScoredRows(label, logit, nothing, nothing)


@pytest.mark.parametrize("num", [1000, 20_000])
def test_bins_are_the_deciles_of_the_predictions(num: int) -> None:
    rows = scored(num, seed=1)

    clicks, expected, counts = reliability(rows).T

    frame = pd.DataFrame({"y": rows.label, "p": 1.0 / (1.0 + np.exp(-rows.logit.astype(float)))})
    deciles = frame.groupby(pd.qcut(frame["p"], NUM_BINS), observed=True)
    assert counts.tolist() == deciles.size().tolist()
    assert clicks.tolist() == deciles["y"].sum().tolist()
    assert expected.tolist() == pytest.approx(deciles["p"].sum().tolist())


def test_bins_hold_all_rows_however_many_there_are() -> None:
    counts = reliability(scored(1003, seed=2))[:, 2]

    assert counts.sum() == 1003
    assert set(counts) == {100, 101}


def test_rows_are_means_over_the_runs_and_totals_of_counts(finished: Folder) -> None:
    table = finished.tabulated(FIGURE)

    records = [
        record
        for record in load_runs(finished.store.out).records
        if record.config.model == "dnn+plain"
    ]
    frames = [pd.read_parquet(one.path / "predictions.parquet") for one in records]
    test = [frame[frame["split"] == "test"] for frame in frames]
    own = table[(table["backbone"] == "dnn") & (table["method"] == "plain")]
    assert own["bin"].tolist() == list(range(1, NUM_BINS + 1))
    assert own["rows"].sum() == sum(map(len, test))
    assert own["clicks"].sum() == sum(one["label"].sum() for one in test)
    ratios = [(1.0 / (1.0 + np.exp(-one["logit"]))).sum() / one["label"].sum() for one in test]
    assert own["calibration"].iloc[0] == pytest.approx(np.mean(ratios), rel=1e-6)
    assert (own["observed_least"] <= own["observed"]).all()


def test_panels_have_a_line_per_method_and_the_diagonal(finished: Folder) -> None:
    table = finished.tabulated(FIGURE)

    canvas = FIGURE.draw(table)

    assert [panel.get_title() for panel in canvas.axes] == ["world, DNN", "world, DCNv2"]
    assert all(len(panel.lines) == 1 + table["method"].nunique() for panel in canvas.axes)
    assert "as predicted" in [text.get_text() for text in canvas.legends[0].get_texts()]


def test_runs_with_fewer_rows_than_bins_are_left_out(finished: Folder) -> None:
    few = reliability(scored(4, seed=3))

    assert (few[:, 2] == 0).any()  # such a model has no rows in the table
    assert few[:, 2].sum() == 4
