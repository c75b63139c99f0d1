"""Several calls on one folder: what former ones planned stays in MLflow, and in its rebuilding."""

from dataclasses import replace

import pytest

from benchmark.protocol import COMPACT
from benchmark.store.plan import read_plan
from benchmark.tracking.cells import cells_of, winners
from benchmark.tracking.tracker import Tracker

WIDE = replace(COMPACT, name="wide", embedding_dim=2 * COMPACT.embedding_dim)
OTHER = {"other protocol": {"protocol": WIDE}, "other data": {"data_fingerprint": "e" * 64}}


@pytest.fixture
def called(grid, empty_database, monkeypatch):
    """A grid that has been imported, in which winners are marked without a model being logged."""
    monkeypatch.setattr("benchmark.tracking.writer.log_model", lambda *_: "a model")
    monkeypatch.setattr("benchmark.tracking.writer.register", lambda *_: None)
    (grid.out / "mlflow.db").write_bytes(empty_database.read_bytes())
    Tracker(grid.out, None).sync(grid.plan())
    return grid


def call(world, method, study="main", *, searches=(), **changes):
    """The plan of a call of one method with two seeds in one study, whose runs are done."""
    configs = [world.final(method, seed, **changes) for seed in (1, 2)]
    slots = {config.slot_id: config for config in configs}
    return world.plan(slots=slots, searches=searches, studies={"main": ()} | {study: tuple(slots)})


def winner_of(world, plan, dataset="synthetic"):
    config = winners(cells_of(world.store, plan))[dataset].config
    return config.method, config.protocol.name, config.seed


PARTS = {
    "one method": lambda world: call(world, "plain"),
    "one study": lambda world: call(world, "star", "sparsity"),
    "a new cell": lambda world: call(world, "plain", "sparsity", pinned={"beta": 9.0}),
}


def rebuild(world, empty_database):
    """Import the stored plan into a new database; making one takes seconds."""
    (world.out / "mlflow.db").write_bytes(empty_database.read_bytes())
    Tracker(world.out, None).sync(read_plan(world.out))


def without_lost_marks(content):
    """The same but for the marks of runs that were the winner once."""
    return {
        key: (parent, {n: v for n, v in tags.items() if (n, v) != ("winner", "false")}, *rest)
        for key, (parent, tags, *rest) in content.items()
    }


@pytest.mark.parametrize("part", PARTS)
def test_a_part_keeps_runs_studies_and_winner_and_importing_it_twice_changes_nothing(
    called, empty_database, part
):
    first = called.content()
    plan = PARTS[part](called)

    Tracker(called.out, None).sync(plan)
    both, database = called.content(), (called.out / "mlflow.db").read_bytes()
    Tracker(called.out, None).sync(plan)
    Tracker(called.out, None).sync(read_plan(called.out))

    assert (called.out / "mlflow.db").read_bytes() == database
    assert first.keys() <= both.keys()
    assert part != "one method" or both == first  # it has nothing new
    key = f"final/{called.config(method='star').slot_id}"
    assert both[key][1]["studies"] == ("main,sparsity" if part == "one study" else "main")
    assert [k for k, (_, tags, *_) in both.items() if "winner" in tags] == [key]
    rebuild(called, empty_database)
    assert called.content() == both


@pytest.mark.parametrize("change", OTHER.values(), ids=OTHER)
def test_searches_of_two_protocols_or_logs_are_of_two_cells(called, empty_database, change):
    tuning = "tuning/synthetic/scenario/dnn+plain"
    for name, study, changes in (("bbbb", "controls", {}), ("cccc", "main", change)):
        search = called.search(method="plain", folder=f"{tuning}/{name}")
        for index in range(2):
            config = called.config(seed=0, backbone_config={"depth": index}, **changes)
            called.trial(index, 0.5, folder=search.folder, config=config)
        Tracker(called.out, None).sync(call(called, "plain", study, searches=(search,), **changes))
    runs = called.content()

    rebuild(called, empty_database)

    assert called.content() == without_lost_marks(runs)
    parents = {
        key.split("/")[-2]: runs[key][0] for key in runs if key.startswith(f"tune/{tuning}/")
    }
    studies = {name: runs[parent][1]["studies"] for name, parent in parents.items()}
    assert studies == {"bbbb": "controls,main", "cccc": "main"}


def test_a_search_that_was_replaced_in_a_former_call_is_not_rebuilt(called, empty_database):
    search = called.search(folder="tuning/synthetic/scenario/dnn+star/bbbb")
    for index in range(2):
        called.trial(index, 0.68, folder=search.folder)
    Tracker(called.out, None).sync(called.plan(searches=(search,)))
    Tracker(called.out, None).sync(call(called, "plain"))
    both = called.content()

    rebuild(called, empty_database)

    assert called.content() == both
    folders = {key.rpartition("/")[0] for key in both if key.startswith("tune/")}
    assert folders == {f"tune/{search.folder}"}


def test_the_trials_of_a_former_call_stay_until_the_new_search_has_some(grid):
    grid.plan()
    plan = grid.plan(searches=(grid.search(folder=""),))

    _, star = cells_of(grid.store, plan)

    assert star.children[-1].tags["search"] == grid.search().folder
    assert star.run.metrics["tune/trials"] == 2


def test_the_cell_of_a_former_call_has_the_seeds_of_both(grid):
    grid.plan()
    grid.final("star", 3)

    plan = grid.plan(seeds=(3,), searches=())

    star = next(cell for cell in cells_of(grid.store, plan) if cell.run.config.method == "star")
    assert [child.config.seed for child in star.finals] == [1, 2, 3]
    assert star.run.metrics["dev/auc/mean"] == pytest.approx(0.72)  # of 0.70, 0.72 and 0.74


def test_a_winner_is_among_what_can_be_compared_with_the_latest_main_cells(grid):
    grid.plan()

    assert winner_of(grid, call(grid, "plain", protocol=WIDE)) == ("plain", "wide", 1)
    assert winner_of(grid, call(grid, "star", "sparsity")) == ("plain", "wide", 1)
    assert winner_of(grid, call(grid, "plain")) == ("star", COMPACT.name, 1)


def test_every_data_set_keeps_the_winner_of_its_latest_main_cells(grid):
    grid.plan()

    plan = call(grid, "plain", dataset="other", data_fingerprint="e" * 64)

    assert winner_of(grid, plan, "synthetic") == ("star", COMPACT.name, 1)
    assert winner_of(grid, plan, "other") == ("plain", COMPACT.name, 1)


def test_a_main_cell_of_a_former_call_that_has_not_ended_leaves_no_winner_yet(grid):
    waiting = grid.config(method="star", seed=1)
    grid.plan(waiting={waiting.slot_id: ""})

    plan = call(grid, "plain")

    statuses = {cell.run.config.method: cell.run.status for cell in cells_of(grid.store, plan)}
    assert statuses == {"plain": "FINISHED", "star": "RUNNING"}
    assert winners(cells_of(grid.store, plan)) == {}


@pytest.mark.parametrize("stage", ["search", "run"])
def test_a_main_cell_that_failed_in_a_former_call_is_no_winner(grid, stage):
    failed = grid.config(method="star", seed=1)
    if stage == "run":
        grid.store.write_error(failed, "E: x", "")
    grid.plan(waiting={failed.slot_id: "all trials failed"} if stage == "search" else {})

    assert winner_of(grid, call(grid, "plain")) == ("plain", COMPACT.name, 1)
