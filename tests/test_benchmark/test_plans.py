"""The plan of several calls on one folder: the last call's, with what former ones planned kept."""

import json

import pytest

from benchmark.command_line.listing import status_lines
from benchmark.planning.cells import lay_out
from benchmark.running.schedule import Agenda
from benchmark.store.files import RecordError
from benchmark.store.plan import Former, Plan, read_former, read_plan, write_plan
from benchmark.store.records import RunStore
from reports.reading.load import load_runs


@pytest.fixture
def store(tmp_path):
    return RunStore(tmp_path / "out")


@pytest.fixture
def call(make_config, make_search):
    """A function that plans the given seeds after what is in a folder, and writes it."""

    def plan(store, *seeds, folder="", waiting=(), studies=("main",)):
        configs = {seed: make_config(seed=seed) for seed in seeds}
        slots = {config.slot_id: config for config in configs.values()}
        plan = Plan(
            preset="smoke",
            slots=slots,
            studies={"main": (), "sparsity": ()} | {study: tuple(slots) for study in studies},
            searches=(make_search(folder=folder),),
            waiting={configs[seed].slot_id: "why" for seed in waiting},
            former=read_former(store.out),
        )
        write_plan(store, plan)
        return plan

    return plan


def content_of(store, name="plan"):
    return json.loads((store.out / f"{name}.json").read_text())


def test_slots_and_searches_that_a_call_has_not_are_kept_as_they_were(make_config, store, call):
    call(store, 1, 2, folder="a", waiting=[2])
    call(store, 3, folder="b")
    call(store, 1, folder="c")

    one, two, three = (make_config(seed=seed) for seed in (1, 2, 3))
    former = content_of(store)["former"]
    assert former["slots"] == {
        three.slot_id: {"run_id": three.run_id, "reason": "", "config": three.to_json()},
        two.slot_id: {"run_id": None, "reason": "why", "config": two.to_json()},
    }
    assert list(former["slots"]) == [three.slot_id, two.slot_id]  # the latest call's first
    assert [search["folder"] for search in former["searches"]] == ["b", "a"]
    assert list(content_of(store)["slots"]) == [one.slot_id]


def test_studies_keep_the_slots_of_former_calls_call_by_call(make_config, store, call):
    a, b, c = (make_config(seed=seed).slot_id for seed in (1, 2, 3))
    call(store, 1, 2)
    call(store, 3, studies=["main", "sparsity"])
    call(store, 2, studies=["sparsity"])

    main, sparsity = content_of(store, "studies/main"), content_of(store, "studies/sparsity")

    assert main == {"study": "main", "slots": [], "former": [[c], [a, b]]}
    assert sparsity == {"study": "sparsity", "slots": [b], "former": [[c]]}


def test_a_plan_with_former_calls_is_read_back_equal(store, call):
    call(store, 1, 2, folder="a", waiting=[1])

    plan = call(store, 3, folder="b", studies=["sparsity"])

    assert read_plan(store.out) == plan
    assert len(plan.former.slots) == 2


def test_the_same_call_again_has_nothing_former(store, call):
    call(store, 1, 2, folder="a")

    assert call(store, 1, 2, folder="a").former == Former()


def lose(path):
    path.unlink()


def truncate(path):
    path.write_text(path.read_text()[:-100])


def forget_run(path):
    content = json.loads(path.read_text())
    next(iter(content["former"]["slots"].values())).pop("run_id")
    path.write_text(json.dumps(content))


def change_config(path):
    content = json.loads(path.read_text())
    next(iter(content["former"]["slots"].values()))["config"]["colour"] = "red"
    path.write_text(json.dumps(content))


@pytest.mark.parametrize("harm", [lose, truncate, forget_run, change_config])
def test_a_damaged_plan_counts_as_none(store, call, harm):
    call(store, 1)
    call(store, 2)
    harm(store.out / "plan.json")

    with pytest.raises(RecordError):
        read_plan(store.out)
    assert read_former(store.out) == Former()
    assert call(store, 3).former == Former()


def test_status_and_reports_show_the_last_call_alone(tmp_path, call):
    alone, after = RunStore(tmp_path / "alone"), RunStore(tmp_path / "after")
    call(after, 1, 2, folder="a")
    for store in (alone, after):
        call(store, 2, 3, folder="b", waiting=[3], studies=["sparsity"])

    lines = [[line.replace(str(s.out), "") for line in status_lines(s)] for s in (alone, after)]
    runs = [load_runs(store.out) for store in (alone, after)]

    assert lines[0] == lines[1]
    for name in ("preset", "cells", "studies", "searches", "tuned_from"):
        assert getattr(runs[0], name) == getattr(runs[1], name)


def test_an_agenda_keeps_what_was_planned_before_it_while_its_own_plan_grows(log, select, store):
    def agenda(*methods):
        selection = select(studies=["main"], methods=methods, num_seeds=1)
        return Agenda(lay_out(selection, {"tiny": log}), store)

    both = agenda("adasparse", "plain").plan
    write_plan(store, both)
    part = agenda("plain")
    for _ in range(2):
        write_plan(store, part.plan)

    kept = read_plan(store.out)
    others = {slot for slot, config in both.slots.items() if config.method == "adasparse"}
    assert len(others) == 2  # of two backbones
    assert kept.former.slots.keys() == others
    assert {config.method for config in kept.slots.values()} == {"plain"}
