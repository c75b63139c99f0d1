"""What the page says about tuning: budgets, gaps, chosen values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest

from reports.build import build

if TYPE_CHECKING:
    from conftest import Folder, Tuning

pytestmark = pytest.mark.usefixtures("light_tables")


def test_page_of_equal_searches_says_budget_and_that_it_was_random(tuning: Tuning) -> None:
    tuning.tuned_and_finished()

    text = tuning.page()

    assert "4 trials for each method on each backbone, in one search of structure" in text
    assert "Of a log every cell had the same number." in text
    assert "searched a second time" not in text
    assert "In all 16 trials (0 failed) took 40 CPU s and 16,000 rows in the loss." in text
    assert "The search was random" in text
    assert "Unequal tuning" not in text
    assert "Tuning is not finished" not in text


def test_page_of_an_unequal_ledger_is_an_error_that_names_the_cell(tuning: Tuning) -> None:
    tuning.tuned_and_finished()
    tuning.path(tuning.search("dnn", "plain"), 3).unlink()

    text = tuning.page()

    assert "Unequal tuning:" in text
    assert "<li>world/scenario dnn+plain: 3 of 4 trials</li>" in text
    assert "every search had the same number" not in text


def test_page_of_half_finished_tuning_says_how_far_it_is(tuning: Tuning) -> None:
    search = tuning.search("dnn", "plain")
    tuning.folder.plan(searches=[search], waiting=["dnn+plain"])
    tuning.trials(search, 0.7, 0.8)
    tuning.folder.write_data()

    text = tuning.page()

    assert "Tuning is not finished:" in text
    assert "<li>world/scenario dnn+plain: 2 of 4 trials</li>" in text
    assert "every search had the same number" not in text
    assert "<dt>world (domains: scenario), DNN</dt><dd>waits for tuning</dd>" in text


def test_page_names_tuned_values_of_each_model(tuning: Tuning) -> None:
    tuning.tuned_and_finished()

    text = tuning.page()

    assert (
        "<dt>world (domains: scenario), DNN</dt><dd>tuned: dropout 0; fixed: embedding_l2 1e-06,"
        " weight_decay 0</dd>" in text
    )


def test_page_says_which_logs_have_values_that_were_found_on_others(tuning: Tuning) -> None:
    searches = [tuning.search("dnn", method) for method in ("plain", "adasparse", "maml")]
    tuning.folder.plan_studies(searches=searches)
    tuning.folder.write_data()
    tuning.folder.write_data("e" * 16)

    text = tuning.page()

    other, log = "synthetic_none (domains: scenario)", "world (domains: scenario)"
    assert f"Not searched on {other}: values found on {log}." in text


def test_values_from_files_are_said_to_be_so(tuning: Tuning) -> None:
    for config in tuning.folder.plan(tuned_from="best/*.json"):
        tuning.folder.run(config)
    tuning.folder.write_data()

    text = tuning.page()

    table = pd.read_csv(tuning.out / "report" / "tables" / "ledger.csv")
    assert "Nothing was searched: the tuned values were read from best/*.json." in text
    assert table["planned_trials"].tolist() == [0, 0, 0, 0]
    assert table["final_runs"].tolist() == [3, 3, 3, 3]


def test_page_without_tuning_has_no_ledger(finished: Folder) -> None:
    text = build(finished.store.out).read_text(encoding="utf-8")

    assert "Hyper-parameters, not tuned" in text
    assert 'id="tuning"' not in text
    assert not (finished.store.out / "report" / "tables" / "ledger.csv").exists()


def test_build_follows_a_trial(tuning: Tuning) -> None:
    tuning.tuned_and_finished()
    tuning.page()
    path = tuning.out / "report" / "tables" / "ledger.csv"
    before = path.read_text(encoding="utf-8")

    tuning.trials(tuning.search("dnn", "plain"), 0.9, start=3)
    tuning.page()

    assert path.read_text(encoding="utf-8") != before
