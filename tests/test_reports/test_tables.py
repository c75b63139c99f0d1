"""How tables are printed, and the numbers and marks of Table 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from reports.analysis.comparisons import compare
from reports.analysis.leaderboard import leaderboard
from reports.look.table import Entry, TableBlock, TableLayout, number, spread, to_latex, to_markdown
from reports.reading.load import load_runs
from reports.reading.names import model_title, rank
from reports.tables import beside_paper, table1
from tests.test_reports.conftest import printed, row_of

if TYPE_CHECKING:
    from conftest import Folder


def test_table1_means_deviations_and_paired_differences(finished: Folder) -> None:
    table = finished.tabulated(table1.TABLE)

    pruned, plain = (finished.over_seeds("auc", method) for method in ("adasparse", "plain"))
    row = row_of(table, backbone="dnn", method="adasparse")
    assert row["auc_mean"] == pytest.approx(pruned.mean())
    assert row["auc_std"] == pytest.approx(pruned.std(ddof=1))
    assert row["auc_delta_mean"] == pytest.approx((pruned - plain).mean())
    assert row["auc_delta_std"] == pytest.approx((pruned - plain).std(ddof=1))
    assert (row["runs"], row["pairs"], row["planned_runs"]) == (3, 3, 3)


def test_table1_has_no_measured_times(finished: Folder) -> None:
    table = finished.tabulated(table1.TABLE)

    assert not [name for name in table if name.endswith("_ratio")]


def test_table1_pairs_only_seeds_that_both_have(folder: Folder) -> None:
    folder.plan()
    runs = (("plain", 1), ("adasparse", 1), ("adasparse", 2))
    folder.finish(folder.config("dnn", *run) for run in runs)

    table = folder.tabulated(table1.TABLE)

    row = row_of(table, backbone="dnn", method="adasparse")
    assert (row["runs"], row["pairs"], row["planned_runs"]) == (2, 1, 3)
    assert np.isnan(row["auc_delta_std"])
    texts = printed(table1.arrange(table))[1]
    assert (texts["Model"], texts["Runs"]) == ("+AdaSparse", "2 of 3")


def test_table1_shows_undefined_metrics_as_such(folder: Folder) -> None:
    folder.finish(folder.plan(), gauc=float("nan"))

    layout = table1.arrange(folder.tabulated(table1.TABLE))

    column = layout.columns.index("GAUC")
    assert {row[column].text for block in layout.blocks[:2] for row in block.rows} == {"n/a"}
    assert not any(row[column].is_best for block in layout.blocks for row in block.rows)


def test_table1_marks_the_best_of_each_backbone_but_not_the_ceiling(finished: Folder) -> None:
    layout = table1.arrange(finished.tabulated(table1.TABLE))

    best = [[row[0].text for row in block.rows if row[2].is_best] for block in layout.blocks]
    assert [block.heading for block in layout.blocks] == [
        "world (domains: scenario), DNN",
        "world (domains: scenario), DCNv2",
        "world (domains: scenario), ceiling",
    ]
    assert best == [["+AdaSparse"], ["+AdaSparse"], []]


def test_table1_has_no_ceiling_without_the_truth(finished: Folder) -> None:
    finished.write_data(with_truth=False)

    layout = table1.arrange(finished.tabulated(table1.TABLE))

    assert len(layout.blocks) == 2
    assert not any("Ceiling" in note for note in layout.notes)


def test_numbers_are_rounded_signed_and_never_zero_when_undefined() -> None:
    minus = "\N{MINUS SIGN}"

    assert number(1234.5, 1) == "1,234.5"
    assert number(-0.25, 2, signed=True) == f"{minus}0.25"
    assert number(float("nan"), 4) == "n/a"
    assert spread(0.5, 0.125, 2) == "0.50 ± 0.12"
    assert spread(0.5, float("nan"), 2) == "0.50"


def test_names_are_those_of_the_papers_or_of_the_file() -> None:
    assert model_title("dnn", "plain") == "DNN"
    assert model_title("dcnv2", "adasparse") == "DCNv2 +AdaSparse"
    assert model_title("dnn", "my_method") == "DNN +my_method"
    assert sorted(["my_method", "adasparse", "plain"], key=rank) == [
        "plain",
        "adasparse",
        "my_method",
    ]


def test_renderings_escape_and_embolden() -> None:
    block = TableBlock(heading="a_b by c", rows=[[Entry("x|y_z"), Entry("1 ± 2", is_best=True)]])
    layout = TableLayout(columns=["Model", "Δ AUC"], blocks=[block], notes=["50% of <rows>"])

    markdown, latex = to_markdown("Title", layout), to_latex("Title", layout)

    assert r"| x\|y\_z | **1 ± 2** |" in markdown
    assert r"50% of \<rows\>" in markdown
    assert r"x|y\_z & \textbf{1 $\pm$ 2} \\" in latex
    assert r"50\% of <rows>" in latex
    assert r"\multicolumn{2}{l}{\textit{a\_b by c}}" in latex


def test_table1_shows_the_interval_of_the_comparison_and_links_to_it(finished: Folder) -> None:
    runs = load_runs(finished.store.out)
    table = leaderboard(runs)

    tests = compare(runs).set_index("test")
    row = row_of(table, backbone="dnn", method="adasparse")
    test = tests.loc[row["auc_test"]]
    assert (test["method"], test["metric"], test["kind"]) == ("adasparse", "auc", "baseline")
    assert row["auc_delta_low"] == test["delta_low"]
    layout = table1.arrange(table)
    entry = layout.blocks[0].rows[1][layout.columns.index("Δ AUC")]
    assert entry.link == f"test-{row['auc_test']}"
    assert "[" in entry.text


def test_table1_stars_only_the_best_whose_comparison_earned_it(finished: Folder) -> None:
    runs = load_runs(finished.store.out)
    layout = table1.arrange(leaderboard(runs))

    tests = compare(runs)
    starred = set(tests.loc[tests["star"] & (tests["kind"] == "second_best"), "test"])
    links = {
        entry.link
        for block in layout.blocks
        for row in block.rows
        for entry in row
        if entry.text.endswith("*")
    }
    assert links == {f"test-{number}" for number in starred}
    assert links


@pytest.mark.parametrize("dataset", ["synthetic_production", "world"])
def test_papers_numbers_stand_beside_its_own_logs(folder: Folder, dataset: str) -> None:
    folder.dataset = dataset
    folder.finish(folder.plan())

    table = folder.tabulated(beside_paper.TABLE)

    assert table.empty == (dataset == "world")
    if dataset == "synthetic_production":
        layout = beside_paper.arrange(table)
        texts = [row["Paper Δ (AUC)"] for row in printed(layout)]
        assert texts[:2] == ["(0.7266)", "+93.0 (0.7359*)"]
        assert "its production log" in layout.notes[0]
