"""The table of settings: gaps, their changes and the order of methods, against hand-made scores."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import stats

from benchmark.protocol import COMPACT, with_setting
from benchmark.store.plan import Plan, write_plan
from reports.reading.load import load_runs
from reports.tables.sensitivity import TABLE, independent_change
from tests.test_reports.conftest import bounds_of, printed, row_of

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Folder

STD = {"protocol": with_setting(COMPACT, {"embedding_std": 0.1})}
SHUFFLED = {"split": "shuffled", "data_fingerprint": "d" * 16}
SIZE = {"protocol": with_setting(COMPACT, {"embedding_dim": 16})}
SETTINGS: dict[str, dict] = {
    **{"": {}, "split shuffled": SHUFFLED},
    **{"embedding std 0.1": STD, "embedding size 16": SIZE},
}
AUC = {  # of the draws 1 to 3
    "": {"plain": [0.700, 0.710, 0.720], "adasparse": [0.710, 0.721, 0.732]},
    "split shuffled": {"plain": [0.750, 0.760, 0.780], "adasparse": [0.770, 0.745, 0.770]},
    "embedding std 0.1": {"plain": [0.702, 0.711, 0.723], "adasparse": [0.692, 0.700, 0.712]},
    "embedding size 16": {"plain": [0.700, 0.710, 0.720], "adasparse": [0.6995, 0.7105, 0.7185]},
}
MAML = {"": [0.705, 0.716, 0.727], "embedding std 0.1": [0.698, 0.707, 0.717]}


def aucs_of(changes: str, method: str) -> list[float]:
    return MAML[changes] if method == "maml" else AUC[changes][method]


@pytest.fixture
def draws(folder_of: type[Folder], tmp_path: Path) -> list[Folder]:
    """Three draws of a log, of which MAML is missing where rows are shuffled."""
    folders = [folder_of(tmp_path / "out", draw=draw) for draw in (1, 2, 3)]
    slots = {}
    for place, folder in enumerate(folders):
        for changes, fields in SETTINGS.items():
            for method in ("plain", "adasparse", "maml"):
                config = folder.config("dnn", method, 1, **fields)
                slots[config.slot_id] = config
                if changes in MAML or method != "maml":
                    folder.run(config, auc=aucs_of(changes, method)[place])
        folder.write_data()
    study = {"sensitivity": tuple(slots), "main": tuple(slots)[:3]}
    write_plan(folders[0].store, Plan(preset="quick", slots=slots, studies=study))
    return folders


@pytest.mark.parametrize("changes", [name for name in SETTINGS if name])
def test_gaps_and_their_changes_are_taken_draw_by_draw(draws: list[Folder], changes: str) -> None:
    table = draws[0].tabulated(TABLE)

    gap, base = (np.array(AUC[c]["adasparse"]) - np.array(AUC[c]["plain"]) for c in (changes, ""))
    row = row_of(table, changes=changes, method="adasparse")
    for name, values in (("delta", gap), ("change", gap - base)):
        interval = stats.ttest_1samp(values, 0.0).confidence_interval()
        expected = [values.mean(), interval.low, interval.high]
        assert bounds_of(row, name) == pytest.approx(expected)
    plain = row_of(table, changes=changes, method="plain")
    assert plain["auc_mean"] == pytest.approx(np.mean(AUC[changes]["plain"]))
    assert np.isnan(bounds_of(plain, "delta")).all()
    assert np.isnan(bounds_of(row_of(table, changes="", method="adasparse"), "change")).all()


def test_order_changes_only_where_the_interval_says_so(draws: list[Folder]) -> None:
    table = draws[0].tabulated(TABLE)

    found = table.drop_duplicates("changes").set_index("changes")[["order", "tau", "turned"]]
    assert found.loc[""].tolist() == ["AdaSparse > MAML > plain", pytest.approx(1.0), ""]
    order, tau, turned = found.loc["embedding std 0.1"]
    assert (order, tau) == ("plain > MAML > AdaSparse", pytest.approx(-1.0))
    assert set(turned.split("; ")) == {
        *("plain above MAML", "plain above AdaSparse", "MAML above AdaSparse")
    }
    assert found.loc["embedding size 16"]["turned"] == "AdaSparse no longer seen above plain"
    shuffled = found.loc["split shuffled"].tolist()  # changed places, but not clearly
    assert shuffled == ["plain > AdaSparse", pytest.approx(-1.0), ""]


def test_sentence_names_the_settings_that_move_gaps_beyond_the_methods(
    draws: list[Folder],
) -> None:
    layout = TABLE.arrange(draws[0].tabulated(TABLE))

    note = layout.notes[0]
    assert "the best of 3 methods, the plain backbone among them, is 110.0 above the worst" in note
    assert "by more than that: embedding std 0.1 (AdaSparse \N{MINUS SIGN}216.7" in note
    assert "; embedding size 16 (AdaSparse" in note
    assert "shuffled (" not in note
    assert note.endswith("moves most under split shuffled: +533.3.")
    (block,) = layout.blocks
    answers = {row["Setting"]: row["Does the order change?"] for row in printed(layout)}
    assert answers["as in Table 1"] == ""
    assert answers["split shuffled"] == "no change seen"
    assert answers["embedding std 0.1"].startswith("plain above")
    assert [entry.is_best for entry in block.rows[2]][2:4] == [True, True]
    assert not any(entry.is_best for entry in block.rows[1])


def test_one_log_adds_the_errors_of_both_gaps() -> None:
    seeds = np.array([0.010, 0.014, 0.018]), np.array([0.002, 0.001, 0.003])
    own, base = (
        SimpleNamespace(mean=gaps.mean(), error=stats.sem(gaps), freedom=2, num=3) for gaps in seeds
    )

    found = independent_change(own, base)

    half = stats.t.ppf(0.975, 2) * np.hypot(*(stats.sem(gaps) for gaps in seeds))
    assert found.mean == pytest.approx(0.012)
    assert (found.low, found.high) == pytest.approx((0.012 - half, 0.012 + half))


def test_one_seed_has_no_answer(folder: Folder) -> None:
    configs = [
        folder.config("dnn", method, 1, **fields)
        for fields in ({}, STD)
        for method in ("plain", "adasparse")
    ]
    for config, auc in zip(configs, (0.70, 0.71, 0.72, 0.70), strict=True):
        folder.run(config, auc=auc)
    folder.write_data()
    folder.plan_of({"sensitivity": configs})

    table = folder.tabulated(TABLE)
    layout = TABLE.arrange(table)

    rows = {row[0].text: [entry.text for entry in row] for row in layout.blocks[0].rows}
    assert rows["embedding std 0.1"][4:6] == ["\N{MINUS SIGN}1.00", "n/a"]
    assert rows["as in Table 1"][2] == "+100.0"


def test_logs_split_another_way_are_no_logs_of_the_report(draws: list[Folder]) -> None:
    runs = load_runs(draws[0].store.out)

    assert list(runs.fingerprints.values()) == [folder.fingerprint for folder in draws]
    assert {cell.changes for cell in runs.cells} == set(SETTINGS)
