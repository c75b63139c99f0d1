"""The tuning ledger: what searches cost and found, and whether their budgets are equal."""

from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pytest

from reports.reading.ledger import expected_best
from reports.reading.load import load_runs

if TYPE_CHECKING:
    from conftest import Folder, Tuning


def test_expected_best_is_the_mean_over_all_draws_also_with_ties() -> None:
    values = [0.71, 0.74, 0.71, 0.69]

    for num_draws in (1, 2, 3, 4):
        best = [max(draw) for draw in product(values, repeat=num_draws)]
        assert expected_best(values, num_draws) == pytest.approx(np.mean(best), abs=1e-12)


def test_expected_best_is_undefined_beyond_the_values() -> None:
    assert np.isnan(expected_best([0.7, 0.8], 3))
    assert np.isnan(expected_best([], 1))


def test_ledger_lists_one_search_for_each_model_then_the_second_ones(tuning: Tuning) -> None:
    again = [replace(search, number=2) for search in tuning.grid()]
    tuning.folder.plan(searches=[*again, *tuning.grid()])

    table = tuning.table()

    keys = list(table[["backbone", "search", "method"]].itertuples(index=False, name=None))
    cells = [(number, method) for number in (1, 2) for method in ("plain", "adasparse")]
    assert keys == [(backbone, *cell) for backbone in ("dnn", "dcnv2") for cell in cells]
    assert [row[0].text for row in tuning.layout().blocks[1].rows] == [
        "DCNv2",
        "+AdaSparse",
        "DCNv2, second search",
        "+AdaSparse, second search",
    ]


def test_ledger_sums_costs_and_counts_dimensions(tuning: Tuning) -> None:
    tuning.searched("dnn", "maml", 0.7, 0.6, 0.8, 0.75)

    row = tuning.table().iloc[0]

    assert (row["trials"], row["failed_trials"], row["guided_trials"]) == (4, 0, 0)
    assert row["own_dimensions"] == "method.inner_rate method.inner_steps"
    assert row["shared_dimensions"] == "regularisers.dropout"
    assert (row["num_own_dimensions"], row["num_shared_dimensions"]) == (2, 1)
    assert (row["sample_visits"], row["row_passes"]) == (4_000, 10_000)
    assert (row["epochs"], row["seconds"]) == (6.0, 1.0 + 2.0 + 3.0 + 4.0)  # of CPU time


def test_ledger_compares_the_best_with_the_papers_values(tuning: Tuning) -> None:
    tuning.tuned_and_finished()

    table = tuning.table()

    row = table.iloc[1]
    assert (row["paper_value"], row["best_value"], row["best_trial"]) == (0.7, 0.8, 2)
    assert row["delta"] == pytest.approx(0.1)
    assert row["expected_best_1"] == pytest.approx((0.6 + 0.7 + 0.75 + 0.8) / 4)
    assert row["expected_best_4"] == expected_best([0.6, 0.7, 0.75, 0.8], 4)
    assert "expected_best_8" not in table
    assert tuning.shown(1)["Δ"] == "+1,000.0"


def test_ledger_counts_failed_trials_as_budget_and_not_as_values(tuning: Tuning) -> None:
    tuning.searched("dnn", "plain", None, 0.6, None, 0.7)

    row = tuning.table().iloc[0]

    assert (row["trials"], row["failed_trials"], row["best_trial"]) == (4, 2, 3)
    assert row["expected_best_2"] == pytest.approx(0.75 * 0.7 + 0.25 * 0.6)
    shown = tuning.shown()
    assert (shown["Trials"], shown["Failed"], shown["Best of 4"]) == ("4", "2", "n/a")
    assert (shown["Paper's values"], shown["Δ"]) == ("n/a", "n/a")


def test_ledger_of_a_search_without_a_complete_trial_has_no_best(tuning: Tuning) -> None:
    tuning.searched("dnn", "plain", None, None, None, None)

    shown = tuning.shown()

    assert (shown["Best"], shown["Best trial"], shown["Best of 1"]) == ("n/a", "n/a", "n/a")


def test_ledger_says_what_final_runs_cost(tuning: Tuning) -> None:
    first, *_ = tuning.folder.plan(searches=[tuning.search("dcnv2", "adasparse")])
    tuning.folder.run(first)

    row = tuning.table().iloc[0]

    assert first.model == "dcnv2+adasparse"
    assert (row["final_runs"], row["planned_final_runs"]) == (1, 3)
    assert (row["final_sample_visits"], row["final_seconds"]) == (10_240, 2.0)
    shown = tuning.shown()
    assert shown["Final runs"] == "1 of 3"
    assert shown["Final time, CPU s"] == "2.0"


def test_final_runs_of_a_second_search_are_those_of_its_cell(
    tuning: Tuning, studied: Folder
) -> None:
    first = tuning.search("dnn", "maml")
    configs = studied.plan_studies(searches=[first, replace(first, number=2)])
    dropped = next(config for config in configs if config.method == "maml" and config.search == 2)
    shutil.rmtree(studied.store.run_folder(dropped))

    table = tuning.table()

    assert table[["search", "planned_final_runs", "final_runs"]].to_numpy().tolist() == [
        [1, 3, 3],
        [2, 3, 2],
    ]


def test_ledger_compares_whole_budgets_with_plains(tuning: Tuning) -> None:
    searches = [tuning.search("dcnv2", method) for method in ("plain", "adasparse", "maml")]
    tuning.folder.plan(searches=searches)
    for search in searches:
        tuning.trials(search, 0.7, 0.6, 0.8, 0.75)

    note = tuning.layout().notes[1]

    assert note == (
        "Whole budget of a cell of world (domains: scenario): 4 trials, equal; of the methods as"
        " multiples of plain's on the same backbone: optimiser steps 1.00 to 1.00, rows in the loss"
        " 1.00 to 1.00, row passes 1.00 to 2.50, time 1.00 to 1.00."
    )


def test_ledger_says_where_whole_budgets_are_not_equal(tuning: Tuning) -> None:
    searches = [tuning.search("dnn", "plain"), tuning.search("dnn", "adasparse")]
    tuning.folder.plan(searches=searches)
    tuning.trials(searches[0], 0.7, 0.6, 0.8, 0.75)
    tuning.trials(searches[1], 0.7, 0.6, 0.8)

    assert "scenario): 3 or 4 trials, not equal; of the methods" in tuning.layout().notes[1]


@pytest.mark.parametrize(("failed", "guided"), [(0, 8), (3, 4)])
def test_guided_trials_follow_rounds_after_the_start_up(tuning: Tuning, failed, guided) -> None:
    # 10 complete trials are known from index 12 on; with 3 failed ones, from index 16 on
    tuning.searched("dnn", "adasparse", 0.7, *[None] * failed, *[0.6] * (19 - failed), num=20)

    (entry,) = tuning.entries()

    assert entry.guided_trials == guided
    assert f"TPE proposed {guided} of the 20 trials." in tuning.layout().notes[0]


def test_no_trial_is_guided_where_shared_values_alone_are_searched(tuning: Tuning) -> None:
    tuning.searched("dnn", "plain", *[0.6] * 20, num=20)

    (entry,) = tuning.entries()

    assert entry.search.own_dimensions == ()
    assert entry.guided_trials == 0
    assert "each regulariser is 0 with a chance of 50%" in tuning.layout().notes[0]


def test_trials_beyond_the_plan_do_not_count(tuning: Tuning) -> None:
    tuning.searched("dnn", "plain", 0.6, 0.7, 0.9, num=2)

    assert tuning.table().iloc[0]["best_value"] == 0.7


def test_load_takes_waiting_cells_for_missing_even_if_their_default_ran(tuning: Tuning) -> None:
    for config in tuning.folder.plan(waiting=["dnn+plain"]):
        tuning.folder.run(config)

    missing = load_runs(tuning.out).unfinished("missing")

    assert {cell.config.model for cell in missing} == {"dnn+plain"}
    assert {cell.reason for cell in missing} == {"waits for tuning"}
