"""What of a store goes into MLflow, without MLflow."""

import json
import math
from dataclasses import replace

import pytest

from benchmark.config import Regularisers
from benchmark.tracking.cells import cells_of, flat, group_of, winners


def test_slots_that_differ_in_seed_or_tuned_values_alone_are_one_cell(make_config):
    config = make_config(seed=1)
    tuned = replace(config, seed=2, method_config={"beta": 9.0}, backbone_config={"depth": 3})

    assert group_of(tuned) == group_of(config)
    assert group_of(replace(config, pinned={"beta": 9.0})) != group_of(config)
    assert group_of(replace(config, task="item")) != group_of(config)


def test_a_cell_has_the_mean_and_spread_of_its_seeds_and_its_best_trial(grid):
    plain, star = cells_of(grid.store, grid.plan())

    assert plain.run.metrics["test/auc/mean"] == pytest.approx(0.51)  # of 0.50 and 0.52
    assert plain.run.metrics["test/auc/std"] == pytest.approx(0.0141421356)
    assert math.isnan(plain.run.metrics["test/gauc/mean"])
    assert star.run.metrics["tune/best_dev_auc"] == 0.66
    assert (star.run.metrics["tune/trials"], star.run.metrics["tune/failed_trials"]) == (2, 1)
    assert [child.name for child in star.children] == [
        "dnn+star, seed 1",
        "dnn+star, seed 2",
        "dnn+star, trial 0",
        "dnn+star, trial 1",
    ]


def test_children_are_tagged_with_what_they_are_found_by(grid):
    plan = grid.plan()
    _, star = cells_of(grid.store, plan)

    final, trial = star.children[0], star.children[2]

    config = grid.config(method="star", seed=1)
    expected = {
        "studies": "main",
        "dataset": "synthetic",
        "partition": "scenario",
        "backbone": "dnn",
        "method": "star",
        "seed": "1",
        "stage": "final",
        "cell": "dnn+star",
        "run_id": config.run_id,
        "commit": "c0ffee",
        "data_fingerprint": config.data_fingerprint,
    }
    assert {name: final.tags[name] for name in expected} == expected
    assert len(final.tags["protocol_hash"]) == 12
    assert (trial.tags["stage"], trial.tags["seed"], trial.tags["studies"]) == ("tune", "0", "main")


def test_history_has_scores_by_split_and_each_schedule_once(grid):
    plain = cells_of(grid.store, grid.plan())[0]

    points = sorted(point for point in plain.children[0].points() if point[2])

    assert points == [
        ("curve/dev/auc", 0.55, 10),
        ("curve/dev/auc", 0.6, 20),
        ("curve/dev/loss", 0.65, 20),
        ("curve/dev/loss", 0.69, 10),
        ("curve/train/loss", 0.6, 20),
        ("curve/train/loss", 0.7, 10),
        ("schedule/alpha", 0.1, 10),
        ("schedule/alpha", 0.2, 20),
    ]


def test_a_second_search_and_its_cell_have_a_parent_of_their_own(grid):
    search = grid.search(number=2, folder="tuning/synthetic/scenario/dnn+star/bbbb")
    again = grid.final("star", 1, search=2, regularisers=Regularisers(dropout=0.2))
    for index in range(2):
        trial = grid.config(method="star", seed=0, search=2)
        grid.trial(index, 0.5, folder=search.folder, config=trial)
    slots = {**grid.plan().slots, again.slot_id: again}
    plan = grid.plan(slots=slots, searches=(grid.search(), search))

    cells = cells_of(grid.store, plan)

    assert [len(cell.finals) for cell in cells] == [2, 2, 1]
    tuned = [cell.children[-1].tags.get("search") for cell in cells]
    assert tuned == [None, grid.search().folder, search.folder]
    assert cells[2].run.name == "dnn+star (second search)"


def test_names_say_the_domains_where_a_data_set_has_cells_on_several(grid):
    other = grid.final("plain", 1, partition=("scenario", "item"))
    slots = {**grid.plan().slots, other.slot_id: other}

    cells = cells_of(grid.store, grid.plan(slots=slots))

    names = [cell.run.name for cell in cells]
    assert names == ["dnn+plain, scenario", "dnn+star, scenario", "dnn+plain, scenario+item"]
    assert cells[2].children[0].name == "dnn+plain, scenario+item, seed 1"


def test_a_cell_has_its_seeds_one_after_the_other(grid):
    star = cells_of(grid.store, grid.plan())[1]

    points = [point for point in star.run.points() if point[0] == "test/auc/by_seed"]

    assert points == [
        ("test/auc/by_seed", pytest.approx(0.6), 1),
        ("test/auc/by_seed", pytest.approx(0.62), 2),
    ]


def test_a_cell_is_running_until_all_its_slots_have_ended(grid):
    plan = grid.plan()
    third = grid.config(method="plain", seed=3)

    grown = replace(plan, slots={**plan.slots, third.slot_id: third})
    waiting = replace(plan, waiting={grid.config(method="star", seed=1).slot_id: ""})

    assert [cell.run.status for cell in cells_of(grid.store, plan)] == ["FINISHED"] * 2
    assert cells_of(grid.store, grown)[0].run.status == "RUNNING"
    assert cells_of(grid.store, waiting)[1].run.status == "RUNNING"
    grid.store.write_error(third, "E: x", "")
    assert cells_of(grid.store, grown)[0].run.status == "FAILED"


def test_winner_is_the_first_seed_of_the_best_mean_dev_auc_once_all_main_cells_ended(grid):
    plan = grid.plan()
    extra = grid.config(method="plain", seed=3)

    found = winners(cells_of(grid.store, plan))
    unfinished = replace(
        plan,
        slots={**plan.slots, extra.slot_id: extra},
        studies={"main": (*plan.studies["main"], extra.slot_id)},
    )

    assert (found["synthetic"].config.method, found["synthetic"].config.seed) == ("star", 1)
    assert winners(cells_of(grid.store, unfinished)) == {}


def test_a_plan_of_a_part_of_the_main_cells_has_no_winner(grid):
    plan = grid.plan()
    some = {slot: config for slot, config in plan.slots.items() if config.method == "plain"}

    assert winners(cells_of(grid.store, replace(plan, slots=some))) == {}


def test_a_record_that_was_edited_is_not_taken(grid):
    plan = grid.plan()
    path = grid.store.run_folder(grid.config(method="plain", seed=1)) / "record.json"
    content = json.loads(path.read_text())
    content["metrics"]["test"]["auc"] = 0.99
    path.write_text(json.dumps(content))

    plain = cells_of(grid.store, plan)[0]

    assert [child.config.seed for child in plain.children] == [2]
    assert plain.run.status == "RUNNING"


def test_nested_values_are_flat_names():
    content = {"a": {"b": 1, "c": [1, 2]}, "d": None}

    assert flat(content) == {"a.b": "1", "a.c": "1,2", "d": "None"}
