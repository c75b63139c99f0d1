"""The tables of controls, ablations and adaptation, and how their rows are named."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from benchmark.protocol import COMPACT
from reports.reading.load import load_runs
from reports.reading.names import model_title
from reports.tables import (
    ablations,
    adaptation,
    controls,
    cost,
    coverage,
    partitions,
    pruned_share,
    table1,
)

if TYPE_CHECKING:
    import pandas as pd
    from conftest import Folder

    from benchmark.config import RunConfig
    from benchmark.store.records import RunResult
    from reports.look.table import Table, TableLayout

WIDE = {"protocol": replace(COMPACT, hidden_dims=(149, 75, 37)), "matched_to": "adasparse"}


def tabulated(table: Table, folder: Folder) -> pd.DataFrame:
    return table.tabulate(load_runs(folder.store.out))


def row_of(frame: pd.DataFrame, method: str, changes: str = "") -> pd.Series:
    (position,) = np.flatnonzero((frame["method"] == method) & (frame["changes"] == changes))
    return frame.iloc[position]


def texts_of(layout: TableLayout) -> dict[str, dict[str, str]]:
    return {
        row[0].text: dict(zip(layout.columns, (entry.text for entry in row), strict=True))
        for block in layout.blocks
        for row in block.rows
    }


def aucs(folder: Folder, method: str, **changes: object) -> np.ndarray:
    configs = [folder.config("dnn", method, seed, **changes) for seed in (1, 2, 3)]
    return np.array([folder.scores(config)["auc"] for config in configs])


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ""),
        ({"pinned": {"pruner_input": "h"}}, "pruner reads h only"),
        ({"pinned": {"beta": 1.5, "bounds": [0.1, 0.2]}}, "beta 1.5, bounds [0.1, 0.2]"),
        ({"task": "scenario+position"}, "task = full partition"),
        ({"domain_columns": ("scenario",)}, "domain = scenario only"),
        ({"domains": "placebo"}, "placebo domains"),
        (WIDE, "width-matched (149-75-37)"),
    ],
)
def test_changes_are_said_in_words(folder: Folder, fields: dict, expected: str) -> None:
    partition = ("scenario", "position")
    main = folder.config("dnn", "adasparse", 1, partition=partition, domain_columns=partition)
    folder.plan_of({"main": [main, replace(main, **fields)]})

    assert load_runs(folder.store.out).cells[-1].changes == expected


def test_models_are_named_with_their_changes() -> None:
    assert model_title("dnn", "plain", "wide") == "DNN, wide"
    assert model_title("dnn", "adasparse", "pruner reads h only") == (
        "DNN +AdaSparse, pruner reads h only"
    )


@pytest.mark.parametrize("table", [table1, cost, coverage, pruned_share])
def test_tables_of_the_main_study_hold_its_cells_alone(studied: Folder, table: Table) -> None:
    frame = tabulated(table.TABLE, studied)

    rows = frame[frame["method"] != "ceiling"]
    assert not rows.duplicated(["backbone", "method"]).any()
    assert set(rows["method"]) <= {"plain", "adasparse", "maml"}


def test_a_plan_without_the_main_study_has_no_table_1(studied: Folder) -> None:
    path = studied.store.out / "studies" / "main.json"
    path.write_text('{"study": "main", "slots": [], "former": []}')

    assert tabulated(table1.TABLE, studied).empty
    assert not tabulated(controls.TABLE, studied).empty


def test_controls_are_compared_with_the_plain_backbone_and_with_what_they_control(
    studied: Folder,
) -> None:
    frame = tabulated(controls.TABLE, studied)

    plain, main = aucs(studied, "plain"), aucs(studied, "adasparse")
    control = aucs(studied, "adasparse", pinned={"pruner_input": "h"})
    row = row_of(frame, "adasparse", "pruner reads h only")
    assert row["auc_delta_plain_e4_mean"] == pytest.approx(1e4 * (control - plain).mean())
    assert row["auc_delta_main_e4_mean"] == pytest.approx(1e4 * (control - main).mean())
    assert row["auc_delta_main_e4_std"] == pytest.approx(1e4 * (control - main).std(ddof=1))


def test_width_matched_network_is_compared_with_adasparse(studied: Folder) -> None:
    frame = tabulated(controls.TABLE, studied)

    delta = aucs(studied, "plain", **WIDE) - aucs(studied, "adasparse")
    row = row_of(frame, "plain", "width-matched (149-75-37)")
    assert row["auc_delta_main_e4_mean"] == pytest.approx(1e4 * delta.mean())
    assert np.isnan(row_of(frame, "plain")["auc_delta_main_e4_mean"])
    assert np.isnan(row_of(frame, "plain")["auc_delta_plain_e4_mean"])


def test_controls_show_parameters_and_leave_out_what_has_no_counterpart(studied: Folder) -> None:
    texts = texts_of(controls.arrange(tabulated(controls.TABLE, studied)))

    assert list(texts) == [
        "DNN",
        "DNN, width-matched (149-75-37)",
        "+MAML",
        "+AdaSparse",
        "+AdaSparse, pruner reads h only",
    ]
    assert texts["DNN"]["Dense parameters"] == "500"
    assert texts["DNN"]["Δ plain AUC"] == texts["DNN"]["Δ main AUC"] == ""
    assert texts["+AdaSparse"]["Δ plain AUC"] != ""
    assert texts["+AdaSparse"]["Δ main AUC"] == ""


@pytest.mark.parametrize("table", [controls, partitions])
def test_tables_show_for_how_many_tasks_a_normalisation_had_own_statistics(
    folder: Folder, table: Table
) -> None:
    shares = {1: 0.5, 2: 1.0}  # at the end; before, none

    def with_shares(config: RunConfig, result: RunResult) -> None:
        share = shares[config.seed]
        if config.method == "maml":
            columns = pl.Series("whole_statistics", [0.0, share])
            result = replace(result, history=result.history.with_columns(columns))
        write(config, result)

    write = folder.store.write
    object.__setattr__(folder.store, "write", with_shares)
    folder.plan_studies()
    for seed in shares:
        folder.run(folder.config("dnn", "maml", seed))
        folder.run(folder.config("dnn", "plain", seed))
    folder.write_data()

    texts = texts_of(table.TABLE.arrange(tabulated(table.TABLE, folder)))

    assert (texts["+MAML"]["Own statistics"], texts["DNN"]["Own statistics"]) == ("75%", "")


@pytest.mark.parametrize("table", [controls, ablations, adaptation])
def test_half_finished_study_is_rendered(folder: Folder, table: Table) -> None:
    folder.plan_studies()
    folder.run(folder.config("dnn", "maml", 1))
    folder.run(folder.config("dnn", "adasparse", 1, pinned={"pruner_input": "h"}))
    folder.write_data()

    texts = texts_of(table.TABLE.arrange(tabulated(table.TABLE, folder)))

    assert texts["+MAML"]["Runs"] == "1 of 3"
    if table is controls:
        assert texts["+AdaSparse, pruner reads h only"]["Δ main AUC"] == "n/a"
        assert texts["DNN"]["Dense parameters"] == "n/a"


def test_ablations_say_how_many_layers_are_in_the_band(studied: Folder) -> None:
    frame = tabulated(ablations.TABLE, studied)

    texts = texts_of(ablations.arrange(frame))
    ratio = np.average([0.1, 0.2, 0.3, 0.4, 0.5], weights=np.bincount(studied.domain))
    assert ratio > 0.27  # layer0 is outside of [0.13, 0.27], layer1 at 0.26 within
    assert row_of(frame, "adasparse")["layer0_sparsity"] == pytest.approx(ratio)
    assert texts["+AdaSparse, l1 penalty"]["In band"] == "1 of 2"
    assert texts["+AdaSparse, x_0 not pruned"]["In band"] == "1 of 1"
    assert texts["+AdaSparse, x_0 not pruned"]["layer0"] == ""
    assert texts["DNN"]["In band"] == texts["DNN"]["layer1"] == ""


def test_adaptation_is_the_difference_to_the_unadapted_start(studied: Folder) -> None:
    frame = tabulated(adaptation.TABLE, studied)

    losses = [studied.scores(studied.config("dnn", "maml", seed))["logloss"] for seed in (1, 2, 3)]
    row = row_of(frame, "maml")
    assert set(frame["changes"]) == {"", "placebo domains"}
    assert row["logloss_delta_e4_mean"] == pytest.approx(1e4 * (np.mean(losses) - 0.75))
    assert row["runs_better"] == sum(loss < 0.75 for loss in losses)
    assert texts_of(adaptation.TABLE.arrange(frame))["+MAML"]["Unadapted"] == "0.75000 ± 0.00000"


def test_adaptation_is_left_out_where_no_run_tells(finished: Folder) -> None:
    assert tabulated(adaptation.TABLE, finished).empty
