"""The agenda: rounds, dependencies and shared runs, whatever order tasks end in."""

import itertools
import json
import random

import polars as pl
import pytest

from benchmark.config import ConfigError
from benchmark.planning.cells import lay_out
from benchmark.planning.hyperparameters import with_params
from benchmark.protocol import TUNING
from benchmark.running.schedule import Agenda
from benchmark.store.failures import failures
from benchmark.store.records import RunResult, RunStore
from benchmark.store.trials import Trial, read_given, read_trials, write_trial
from benchmark.tasks import Outcome, TrialTask

FRAME = pl.DataFrame({"step": [1]})
RESULT = RunResult(
    metrics={"test": {"auc": 0.5}},
    training={},
    cost={},
    history=FRAME,
    domains=FRAME,
    predictions=FRAME,
    masks={},
    timing={},
    environment={},
)


def value_of(config):
    """Some dev metric of a configuration."""
    return int(config.run_id, 16) % 1000 / 1000


def do(task, fails=lambda task: False):
    """The work of a worker, without training."""
    if fails(task):
        return Outcome(
            task=task, seconds=0.1, cpu_seconds=0.1, error="NonFiniteLossError: the loss is nan"
        )
    if isinstance(task, TrialTask):
        trial = Trial(
            index=task.index,
            config=task.config,
            params=task.params,
            state="complete",
            value=value_of(task.config),
        )
        write_trial(task.out / task.folder, trial)
    else:
        RunStore(task.out).write(task.config, RESULT)
    return Outcome(task=task, seconds=0.1, cpu_seconds=0.1)


def work(agenda, *, num_workers=2, rng=None, limit=None, fails=lambda task: False):
    """Run tasks in `num_workers` places that end in random order; the tasks that ran."""
    running, done = [], []
    while limit is None or len(done) < limit:
        while len(running) < num_workers and (task := agenda.take()):
            running.append(task)
        if not running:
            return done
        task = running.pop(rng.randrange(len(running)) if rng else 0)
        agenda.settle(do(task, fails))
        done.append(task)
    return done


def is_fourth_trial(task):
    return isinstance(task, TrialTask) and task.index == 3


@pytest.fixture
def make(log, select, tmp_path):
    """A function that makes an agenda over an output folder."""

    def agenda(name="out", *, given=None, wanted=("missing",), **changes):
        selection = select(studies=["main", "ablations"], num_trials=10, num_seeds=1, **changes)
        layout = lay_out(selection, {"tiny": log})
        store = RunStore(tmp_path / name)
        return Agenda(layout, store, given=given, wanted=wanted)

    return agenda


def files_of(agenda):
    """Trials and chosen values by path, but for what they took."""
    root = agenda._store.out
    contents = {}
    for path in sorted(root.glob("tuning/**/*.json")):
        content = json.loads(path.read_text())
        content.pop("timing", None)
        contents[str(path.relative_to(root))] = content
    return contents


def test_what_is_open_gets_fewer_as_tasks_end(make):
    agenda = make()
    trials, runs = len(agenda.open_trials), len(agenda.open_runs)

    work(agenda, limit=trials // 2, num_workers=1)
    half = len(agenda.open_trials), len(agenda.open_runs)
    work(agenda)

    assert (trials, runs) == (agenda.num_planned - runs, len(agenda.slots))
    assert trials > 0
    assert half[0] <= trials - trials // 2
    assert half[1] == runs  # which wait for the best values
    assert (agenda.open_trials, agenda.open_runs, agenda.num_open) == ([], [], 0)


@pytest.mark.parametrize("limit", [7, 45])
def test_a_second_call_has_open_what_the_first_one_left(make, limit):
    first = make()
    work(first, limit=limit, num_workers=1)

    second = make()

    assert len(second.open_trials) == len(first.open_trials)
    assert len(second.open_runs) == len(first.open_runs)
    assert second.num_open == first.num_open < first.num_planned


def test_every_search_gets_its_trials_and_every_cell_the_best_values(make):
    agenda = make()

    done = work(agenda)

    trials = [task for task in done if isinstance(task, TrialTask)]
    searches = agenda.searches.values()
    assert [len(s.trials) for s in searches] == [10] * 4  # two methods on two backbones
    assert len(trials) == len({t.config.run_id for s in searches for t in s.trials})
    assert len(agenda.slots) == 4 + 9  # main, ablations
    assert len(done) - len(trials) == len({c.run_id for c in agenda.slots.values()})
    assert agenda.num_open == 0
    assert not agenda.waiting
    assert agenda.unequal() == []
    for slot, config in agenda.slots.items():
        best = agenda.searches[agenda._layout.search_of[slot]].best
        assert config.regularisers == best.regularisers
        assert config.backbone_config == best.backbone_config


@pytest.mark.parametrize("num_workers", [1, 3, 8])
def test_order_and_number_of_workers_change_nothing(make, num_workers):
    serial, parallel = make("serial"), make(f"parallel{num_workers}")
    work(serial, num_workers=1)

    work(parallel, num_workers=num_workers, rng=random.Random(num_workers))

    assert files_of(parallel) == files_of(serial)
    assert parallel.slots == serial.slots


@pytest.mark.parametrize("limit", [1, 5, 13, 37, 43])
def test_an_interrupted_agenda_goes_on_to_the_same_end(make, limit):
    whole = make("whole")
    total = len(work(whole))
    work(make("cut"), rng=random.Random(limit), limit=limit)  # what runs then is lost

    resumed = make("cut")
    left = work(resumed)

    assert len(left) == total - limit
    assert files_of(resumed) == files_of(whole)
    assert make("cut").num_open == 0


def test_more_trials_keep_the_first_ones(make, log, select, tmp_path):
    work(make())
    selection = select(studies=["main"], num_trials=14, num_seeds=1)
    longer = Agenda(lay_out(selection, {"tiny": log}), RunStore(tmp_path / "out"))

    done = work(longer)

    again = [(task.folder, task.index) for task in done if isinstance(task, TrialTask)]
    folders = {searching.search.folder for searching in longer.searches.values()}
    assert sorted(again) == sorted(itertools.product(folders, range(10, 14)))


def test_rounds_wait_for_each_other(make):
    agenda = make(backbones=["dnn"])

    taken = list(iter(agenda.take, None))

    one_round = list(range(TUNING.trials_per_round))
    assert [task.index for task in taken] == 2 * one_round
    assert {task.config.method for task in taken} == {"plain", "adasparse"}


def test_failed_trials_count_and_are_done_again_on_demand(make):
    agenda = make()
    work(agenda, fails=is_fourth_trial)

    states = [
        trial.state
        for searching in agenda.searches.values()
        for trial in read_trials(searching.folder, 10)
    ]
    assert states.count("failed") == 4
    assert agenda.unequal() == []
    assert make().num_open == 0
    retried = work(make(wanted=("missing", "failed")))
    assert sum(map(is_fourth_trial, retried)) == 4


def test_a_draw_that_the_config_refuses_is_a_failed_trial(make, monkeypatch):
    def refuse(base, params):
        if params["regularisers.dropout"] > 0.2:
            raise ConfigError("too much dropout")
        return with_params(base, params)

    monkeypatch.setattr("benchmark.tuning.search.with_params", refuse)
    agenda = make()

    work(agenda)

    assert agenda.num_open == 0
    failed = failures(agenda._store, agenda.plan)
    assert failed
    assert all("too much dropout" in line for line in failed)


def test_an_edited_trial_is_done_again(make):
    agenda = make()
    work(agenda)
    path = next(agenda._store.out.glob("tuning/*/*/dnn+plain/*/trial_002.json"))

    path.write_text(path.read_text().replace('"value": 0.', '"value": 0.9'))
    done = work(make())

    assert [(task.index, task.config.model) for task in done] == [(2, "dnn+plain")]
    assert files_of(make()) == files_of(agenda)


def test_fresh_does_everything_again_and_touches_no_foreign_file(make):
    agenda = make()
    first = work(agenda)
    foreign = agenda._store.out / "tuning" / "notes.txt"
    foreign.write_text("mine")

    again = work(make(wanted=("missing", "failed", "done")))

    assert len(again) == len(first)
    assert foreign.read_text() == "mine"


def test_given_values_are_used_without_a_search(make):
    tuned = make()
    work(tuned)

    agenda = make("other", given=read_given(tuned._store.out / "tuning"))
    done = work(agenda)

    assert not any(isinstance(task, TrialTask) for task in done)
    assert agenda.slots == tuned.slots
    assert agenda.plan.tuned_from
