"""Whether every cell of a log had the same whole budget, and every method tried the same."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from benchmark.store.trials import read_trial, unequal, write_trial
from reports.build import problems_of
from reports.reading.ledger import budget_errors

if TYPE_CHECKING:
    from conftest import Tuning


def test_trials_of_other_epochs_are_a_budget_error(tuning: Tuning) -> None:
    tuning.tuned_and_finished()
    search = tuning.search("dnn", "maml")
    tuning.folder.plan(searches=[*tuning.grid(), search])
    tuning.trials(search, 0.7, 0.6, 0.8, 0.75)
    honest = read_trial(tuning.out / search.folder, 1)
    longer = replace(honest.config.protocol, max_epochs=honest.config.protocol.max_epochs + 1)

    write_trial(
        tuning.out / search.folder,
        replace(honest, config=replace(honest.config, protocol=longer)),
    )

    assert budget_errors(tuning.entries()) == [
        "world/scenario dnn+maml: trial 1 has another protocol"
    ]
    assert problems_of(tuning.out) == budget_errors(tuning.entries())


def test_unequal_of_equal_searches_is_empty(tuning: Tuning) -> None:
    again = [replace(search, number=2) for search in tuning.grid()]
    other_log = replace(tuning.search("dnn", "plain", 7), dataset="other")

    mixed = [*tuning.grid(), *again, other_log]

    assert unequal(mixed, [search.num_trials for search in mixed]) == []


def test_unequal_names_what_lacks_trials_and_what_had_another_plan(tuning: Tuning) -> None:
    searches = [tuning.search("dnn", m, n) for m, n in (("plain", 4), ("maml", 2), ("star", 4))]

    assert unequal(searches, [4, 2, 3]) == [
        "world/scenario dnn+maml: 2 trials, others of its log 4",
        "world/scenario dnn+star: 3 of 4 trials",
    ]


def test_unequal_counts_all_searches_that_lead_to_a_cell(tuning: Tuning) -> None:
    searches = [tuning.search(backbone, "plain") for backbone in ("dnn", "dcnv2", "dnn")]
    searches += [tuning.search("dnn", "star"), tuning.search("dnn", "maml")]

    assert unequal(searches, [4] * 5) == ["world/scenario dnn+plain: 8 trials, others of its log 4"]


def test_trial_that_tried_another_structure_than_other_methods_is_a_budget_error(
    tuning: Tuning,
) -> None:
    tuning.tuned_and_finished()
    folder = tuning.out / tuning.search("dcnv2", "adasparse").folder
    honest = read_trial(folder, 2)

    write_trial(folder, replace(honest, params={**honest.params, "backbone.rank": 7}))

    assert budget_errors(tuning.entries()) == [
        "world/scenario dcnv2+plain: trial 2 tried backbone.rank 0.2, other methods 7"
    ]


def test_searches_that_cells_wait_for_are_unfinished_and_no_error(tuning: Tuning) -> None:
    searches = [tuning.search("dnn", method) for method in ("plain", "adasparse")]
    tuning.folder.plan(searches=searches, waiting=["dnn+adasparse"])
    tuning.trials(searches[1], 0.7)

    entries = tuning.entries()

    assert [entry.is_unfinished for entry in entries] == [False, True]
    assert budget_errors(entries) == ["world/scenario dnn+plain: 0 of 4 trials"]
