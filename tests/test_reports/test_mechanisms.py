"""The table of mechanisms: differences to controls, one family of tests, the null world's line."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from reports.tables.mechanisms import arrange, tabulate
from tests.test_reports.conftest import row_of

if TYPE_CHECKING:
    from conftest import Folder

    from reports.reading.load import Runs

PIN = {"pinned": {"pruner_input": "h"}}


@pytest.fixture(scope="module")
def table(studies: Runs) -> pd.DataFrame:
    return tabulate(studies)


def test_every_world_has_its_methods_and_its_ceiling(table: pd.DataFrame) -> None:
    names = ["plain", "maml", "adasparse", "ceiling"]

    assert table["method"].tolist() == 2 * names
    assert table["dataset"].unique().tolist() == ["world", "synthetic_none"]


def test_methods_are_compared_with_plain_and_with_their_control(
    folder: Folder, table: pd.DataFrame
) -> None:
    own, plain = (
        folder.over_seeds("expected_gauc", "adasparse"),
        folder.over_seeds("expected_gauc", "plain"),
    )
    control = folder.over_seeds("expected_gauc", "adasparse", **PIN, **folder.blind)

    row = row_of(table, dataset="world", method="adasparse")

    assert row["expected_gauc_mean"] == pytest.approx(own.mean())
    assert row["control_expected_gauc_mean"] == pytest.approx(control.mean())
    for name, other in (("plain", plain), ("control", control)):
        test = stats.ttest_rel(own, other)
        interval = test.confidence_interval()
        assert row[f"delta_{name}_mean"] == pytest.approx((own - other).mean())
        assert row[f"delta_{name}_low"] == pytest.approx(interval.low)
        assert row[f"delta_{name}_high"] == pytest.approx(interval.high)
        assert row[f"delta_{name}_p"] == pytest.approx(test.pvalue)


def test_controls_of_another_world_are_its_own(folder: Folder, table: pd.DataFrame) -> None:
    control = folder.over_seeds("expected_gauc", "maml", **folder.null_world, **folder.blind)

    row = row_of(table, dataset="synthetic_none", method="maml")

    assert row["control_expected_gauc_mean"] == pytest.approx(control.mean())


def test_plain_is_compared_with_nothing(table: pd.DataFrame) -> None:
    row = row_of(table, dataset="world", method="plain")

    names = ["delta_plain_mean", "delta_control_mean", "expected_gauc_share_mean"]
    assert row[names].isna().all()


def test_all_comparisons_are_one_family(table: pd.DataFrame) -> None:
    p_values = table[["delta_plain_p", "delta_control_p"]].to_numpy(float)
    corrected = table[["delta_plain_p_holm", "delta_control_p_holm"]].to_numpy(float)
    is_tested = ~np.isnan(p_values)

    ordered = np.sort(p_values[is_tested])
    steps = np.maximum.accumulate(ordered * np.arange(8, 0, -1)).clip(max=1.0)

    assert is_tested.sum() == 8  # two worlds, two methods, two comparisons
    assert np.sort(corrected[is_tested]) == pytest.approx(steps)


def test_null_world_is_corrected_by_itself(table: pd.DataFrame) -> None:
    rows = table[table["delta_control_p_holm_null"].notna()]

    assert rows["dataset"].tolist() == ["synthetic_none"] * 2
    least = rows["delta_control_p"].idxmin()
    expected = min(1.0, 2 * rows.loc[least, "delta_control_p"])
    assert rows.loc[least, "delta_control_p_holm_null"] == pytest.approx(expected)


def with_null(table: pd.DataFrame, method: str, delta: float, p: float) -> pd.DataFrame:
    is_row = (table["dataset"] == "synthetic_none") & (table["method"] == method)
    table = table.copy()
    table.loc[is_row, "delta_control_mean"] = delta
    table.loc[is_row, ["delta_control_p", "delta_control_p_holm_null"]] = p
    return table


@pytest.mark.parametrize(
    ("delta", "p", "words"),
    [
        (0.00314, 0.04, "of 2 methods 1 beat their control at the level 0.05 after"),
        (0.00314, 0.06, "of 2 methods none beat"),
        (-0.00314, 0.001, "of 2 methods none beat"),
    ],
)
def test_line_of_the_null_world_follows_from_the_numbers(
    table: pd.DataFrame, delta: float, p: float, words: str
) -> None:
    numbers = with_null(with_null(table, "maml", -0.00015, 0.9), "adasparse", delta, p)

    note = arrange(numbers).notes[0]

    assert words in note
    assert ("these alone: AdaSparse." in note) == (words != "of 2 methods none beat")
    assert ("31.4 of AdaSparse" in note) == (delta > 0)


def test_line_of_the_null_world_says_when_there_is_none(table: pd.DataFrame) -> None:
    layout = arrange(table[table["dataset"] == "world"])

    assert "synthetic_none has no method" in layout.notes[0]


def test_detectable_difference_is_that_of_the_comparisons(table: pd.DataFrame) -> None:
    names = ["delta_plain_detectable", "delta_control_detectable"]
    values = table[names].to_numpy(float)
    values = 1e4 * values[~np.isnan(values)]

    note = arrange(table).notes[1]

    assert len(values) == 8
    assert f"median {np.median(values):,.1f}, largest {values.max():,.1f} of 8." in note


def test_layout_has_few_columns_and_blank_baselines(table: pd.DataFrame) -> None:
    layout = arrange(table)

    assert len(layout.columns) <= 11
    plain = [entry.text for entry in layout.blocks[0].rows[0]]
    assert plain[2:8] == [""] * 6
    assert plain[8] == "3"


def test_notes_of_one_seed_say_that_nothing_is_tested(studies: Runs) -> None:
    one = replace(studies, cells=tuple(cell for cell in studies.cells if cell.config.seed == 1))

    notes = arrange(tabulate(one)).notes

    assert "shares two runs" in notes[0]
    assert "no comparison has two runs" in notes[1]
