"""The table of second searches, and what it says of the luck of tuning."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmark.metrics import GAINS
from reports.analysis.comparisons import peers_of
from reports.analysis.retuned import compare_searches
from reports.reading.keys import Block
from reports.reading.load import load_runs
from reports.tables import comparisons, retuned, table1
from reports.tables._study import GAIN_UNITS
from tests.test_reports.conftest import row_of

if TYPE_CHECKING:
    from conftest import Folder


def test_searches_are_compared_run_by_run(studied: Folder) -> None:
    table = compare_searches(load_runs(studied.store.out))

    configs = {
        (config.search, config.seed): config
        for config in studied.members("dnn")["retuned"]
        if config.method == "maml"
    }
    scores = np.array(
        [[studied.scores(configs[s, seed])["gauc"] for seed in (1, 2, 3)] for s in (1, 2)]
    )
    row = row_of(table, method="maml")
    assert (row["runs"], row["planned_runs"]) == (3, 3)
    assert [row["gauc_first"], row["gauc_second"]] == pytest.approx(scores.mean(axis=1).tolist())
    gaps = scores[1] - scores[0]
    assert row["gauc_delta_mean"] == pytest.approx(gaps.mean())
    assert row["gauc_delta_std"] == pytest.approx(gaps.std(ddof=1))


def test_sentence_says_how_much_a_comparison_changes(studied: Folder) -> None:
    runs = load_runs(studied.store.out)

    note = retuned.arrange(compare_searches(runs)).notes[0]

    peers = peers_of(runs, Block("world", "scenario", "dnn"))
    sizes = {
        metric.title: np.sqrt(2.0 * peers.tuning(name).variance) / metric.difference_unit
        for name, metric in GAINS.items()
    }
    words = [
        f"{size:.1f} of {title}" if size else f"nothing that is seen of {title}"
        for title, size in sizes.items()
    ]
    assert note == (
        "world (domains: scenario), DNN: a comparison of two models changes by about"
        f" {' and '.join(words)}, in units of {GAIN_UNITS}, when both are searched anew (3 models)."
    )


def test_one_seed_says_nothing_of_the_luck_of_a_search(studied: Folder) -> None:
    runs = load_runs(studied.store.out)
    cells = tuple(cell for cell in runs.cells if cell.config.seed == 1)

    table = compare_searches(replace(runs, cells=cells))

    assert table["auc_anew"].isna().all()
    assert "when both are searched anew" not in " ".join(retuned.arrange(table).notes[:1])


def test_models_without_common_runs_are_no_part_of_the_sentence(studied: Folder) -> None:
    again = [c for c in studied.members("dnn")["retuned"] if c.search == 2]
    for config in again:
        if config.method == "maml":
            (studied.store.run_folder(config) / "record.json").unlink()
    table = compare_searches(load_runs(studied.store.out))

    assert row_of(table, method="maml")["runs"] == 0
    assert np.isnan(row_of(table, method="maml")["auc_delta_mean"])
    assert "(2 models)" in retuned.arrange(table).notes[0]


@pytest.mark.parametrize(("tuned_from", "is_said"), [("tuned", True), ("", False)])
def test_comparisons_of_models_that_were_searched_once_say_so(
    folder: Folder, tuned_from: str, is_said: bool
) -> None:
    folder.finish(folder.plan(tuned_from=tuned_from))
    runs = load_runs(folder.store.out)

    for table in (table1.TABLE, comparisons.TABLE):
        text = " ".join(table.arrange(table.tabulate(runs)).notes)
        assert ("do not contain the variance of tuning" in text) == is_said
