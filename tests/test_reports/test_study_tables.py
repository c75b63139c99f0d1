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
from tests.test_reports.conftest import Folder, row_of

if TYPE_CHECKING:
    from benchmark.config import RunConfig
    from reports.look.table import Table

COLUMNS = ("scenario", "position", "age")

WIDE = {"protocol": replace(COMPACT, hidden_dims=(149, 75, 37)), "matched_to": "adasparse"}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ""),
        ({"pinned": {"pruner_input": "h"}}, "pruner reads h only"),
        ({"pinned": {"beta": 1.5, "bounds": [0.1, 0.2]}}, "beta 1.5, bounds [0.1, 0.2]"),
        ({"pinned": {"sparsity_bounds": [0.05, 0.1]}}, "sparsity in [0.05, 0.1]"),
        ({"pinned": {"form": "scaling"}}, "Scaling"),
        ({"task": "scenario+position+age"}, "task = full partition"),
        ({"domain_columns": ("scenario",)}, "domain = scenario only"),
        (
            {"domain_columns": COLUMNS[:2], "task": "scenario+position"},
            "domain = scenario \N{MULTIPLICATION SIGN} position only",
        ),
        ({"domains": "placebo"}, "placebo domains"),
        (WIDE, "width-matched to adasparse (149-75-37)"),
    ],
)
def test_changes_are_said_in_words(folder: Folder, fields: dict, expected: str) -> None:
    main = folder.config("dnn", "adasparse", 1, partition=COLUMNS, domain_columns=COLUMNS)
    folder.plan_of({"main": [main, replace(main, **fields)]})

    assert load_runs(folder.store.out).cells[-1].changes == expected


def test_models_are_named_with_their_changes() -> None:
    assert model_title("dnn", "plain", "wide") == "DNN, wide"
    assert model_title("dnn", "adasparse", "pruner reads h only") == (
        "DNN +AdaSparse, pruner reads h only"
    )


@pytest.mark.parametrize("table", [table1, cost, coverage, pruned_share])
def test_tables_of_the_main_study_hold_its_cells_alone(studied: Folder, table: Table) -> None:
    frame = studied.tabulated(table.TABLE)

    rows = frame[frame["method"] != "ceiling"]
    assert not rows.duplicated(["backbone", "method"]).any()
    assert set(rows["method"]) <= {"plain", "adasparse", "maml"}


def test_controls_are_compared_with_the_plain_backbone_and_with_what_they_control(
    studied: Folder,
) -> None:
    frame = studied.tabulated(controls.TABLE)

    plain, main = studied.over_seeds("auc", "plain"), studied.over_seeds("auc", "adasparse")
    control = studied.over_seeds("auc", "adasparse", pinned={"pruner_input": "h"})
    row = row_of(frame, method="adasparse", changes="pruner reads h only")
    assert row["auc_delta_plain_mean"] == pytest.approx((control - plain).mean())
    assert row["auc_delta_main_mean"] == pytest.approx((control - main).mean())
    assert row["auc_delta_main_std"] == pytest.approx((control - main).std(ddof=1))


def test_width_matched_network_is_compared_with_adasparse(studied: Folder) -> None:
    frame = studied.tabulated(controls.TABLE)

    delta = studied.over_seeds("auc", "plain", **WIDE) - studied.over_seeds("auc", "adasparse")
    row = row_of(frame, method="plain", changes="width-matched to adasparse (149-75-37)")
    assert row["auc_delta_main_mean"] == pytest.approx(delta.mean())
    assert np.isnan(row_of(frame, method="plain", changes="")["auc_delta_main_mean"])
    assert np.isnan(row_of(frame, method="plain", changes="")["auc_delta_plain_mean"])


def test_controls_show_parameters_and_leave_out_what_has_no_counterpart(studied: Folder) -> None:
    texts = studied.shown(controls.TABLE)

    assert list(texts) == [
        "DNN",
        "DNN, width-matched to adasparse (149-75-37)",
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

    def history(config: RunConfig) -> pl.DataFrame:
        share = pl.Series("whole_statistics", [0.0, shares[config.seed]])
        return Folder.history(config).with_columns([share] if config.method == "maml" else [])

    folder.history = history
    folder.plan_studies()
    folder.finish(folder.config("dnn", m, seed) for m in ("maml", "plain") for seed in shares)

    texts = folder.shown(table.TABLE)

    assert (texts["+MAML"]["Own statistics"], texts["DNN"]["Own statistics"]) == ("75%", "")


def test_ablations_say_how_many_layers_are_in_the_band(studied: Folder) -> None:
    frame = studied.tabulated(ablations.TABLE)

    texts = studied.shown(ablations.TABLE)
    ratio = np.average([0.1, 0.2, 0.3, 0.4, 0.5], weights=np.bincount(studied.domain))
    assert ratio > 0.27  # layer0 is outside of [0.13, 0.27], layer1 at 0.26 within
    assert row_of(frame, method="adasparse", changes="")["layer0_sparsity"] == pytest.approx(ratio)
    assert texts["+AdaSparse, l1 penalty"]["In band"] == "1 of 2"
    assert texts["+AdaSparse, x_0 not pruned"]["In band"] == "1 of 1"
    assert texts["+AdaSparse, x_0 not pruned"]["layer0"] == ""
    assert texts["DNN"]["In band"] == texts["DNN"]["layer1"] == ""


def test_adaptation_is_the_difference_to_the_unadapted_start(studied: Folder) -> None:
    frame = studied.tabulated(adaptation.TABLE)

    losses = studied.over_seeds("logloss", "maml")
    row = row_of(frame, method="maml", changes="")
    assert set(frame["changes"]) == {"", "placebo domains"}
    assert row["logloss_delta_mean"] == pytest.approx(np.mean(losses) - 0.75)
    assert row["runs_better"] == (losses < 0.75).sum()
    assert studied.shown(adaptation.TABLE)["+MAML"]["Unadapted"] == "0.75000 ± 0.00000"


def test_adaptation_is_left_out_where_no_run_tells(finished: Folder) -> None:
    assert finished.tabulated(adaptation.TABLE).empty
