"""Cells of a plan: done, failed, missing, damaged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from benchmark.store.files import RecordError
from reports.reading.load import load_runs
from reports.reading.predictions import file_of, scored_rows

if TYPE_CHECKING:
    from conftest import Folder


def test_load_counts_every_state_of_a_half_finished_grid(folder: Folder) -> None:
    done, failed, *missing = folder.plan()
    folder.run(done)
    folder.store.write_error(failed, "NonFiniteLossError: the loss is nan at step 7", "Traceback")

    runs = load_runs(folder.store.out)

    assert [record.config for record in runs.records] == [done]
    assert [(cell.config, cell.reason) for cell in runs.unfinished("failed")] == [
        (failed, "NonFiniteLossError: the loss is nan at step 7")
    ]
    assert [cell.config for cell in runs.unfinished("missing")] == missing


def test_load_of_a_folder_without_runs_says_what_to_do_first(folder: Folder) -> None:
    with pytest.raises(
        RecordError, match=r"no runs in .*out; run `python run_all.py --out .*first"
    ):
        load_runs(folder.store.out)


def test_load_of_an_unknown_preset_is_an_error(folder: Folder) -> None:
    folder.preset = "huge"
    folder.plan()

    with pytest.raises(RecordError, match="preset 'huge', this version has smoke, quick"):
        load_runs(folder.store.out)


def test_card_that_lacks_a_fact_is_an_error(finished: Folder) -> None:
    finished.store.write_data("f" * 16, {"label": "click"}, finished.domains())

    with pytest.raises(RecordError, match=r"card\.json: .* it lacks absent_columns, bag_lengths"):
        load_runs(finished.store.out).card("f" * 16)


def test_sparsity_is_the_mean_over_test_rows(finished: Folder) -> None:
    sparsity = load_runs(finished.store.out).sparsity()

    rows = np.bincount(finished.domain)
    assert set(sparsity["method"]) == {"adasparse"}
    assert sparsity["layer0"].to_numpy() == pytest.approx(
        np.average([0.1, 0.2, 0.3, 0.4, 0.5], weights=rows)
    )


def test_spread_of_sparsity_is_the_deviation_over_domains_by_test_rows(finished: Folder) -> None:
    spread = load_runs(finished.store.out).sparsity_spread()

    ratio, rows = np.array([0.1, 0.2, 0.3, 0.4, 0.5]), np.bincount(finished.domain)
    mean = np.average(ratio, weights=rows)
    expected = np.sqrt(np.average((ratio - mean) ** 2, weights=rows))
    assert spread["layer0"].to_numpy() == pytest.approx(expected)
    assert spread["layer1"].to_numpy() == pytest.approx(0.0)


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_report_on_logits_that_are_not_finite_is_one_line(folder: Folder, broken: float) -> None:
    config, *_ = folder.plan()
    folder.run(config)
    runs = load_runs(folder.store.out)
    path = folder.store.run_folder(config) / "predictions.parquet"
    frame = pd.read_parquet(path)
    frame.loc[[3, len(frame) - 1], "logit"] = broken
    frame.to_parquet(path)

    line = rf"predictions\.parquet: 2 of {len(frame):,} logits are nan or infinite: .*; delete"
    with pytest.raises(RecordError, match=line):
        runs.predictions(runs.records[0])
    with pytest.raises(RecordError, match="logits are nan or infinite"):
        scored_rows(file_of(runs.records[0]))
