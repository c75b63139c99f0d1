"""The time that trainings would take: measured once for each size, scaled by rows."""

import math
from dataclasses import replace

import pytest

from benchmark.planning import estimate
from benchmark.planning.cells import configure, lay_out
from benchmark.planning.estimate import (
    COMPILED_SHARE,
    RUN_SECONDS,
    START_SECONDS,
    Estimates,
    Pace,
    SplitRows,
    Work,
    usual_schema,
    wall_seconds,
    work_of,
)
from benchmark.planning.studies import Change
from benchmark.protocol import SMOKE, with_setting
from benchmark.running.grid import Grid
from benchmark.running.schedule import Agenda
from benchmark.store.records import RunStore
from benchmark.tasks import Compute

WORK = Work(
    protocol=SMOKE,  # two epochs of two evaluations each
    backbone="dnn",
    method="plain",
    schema=usual_schema(12, has_many_tasks=False),
    rows=SplitRows(4_000, 1_000, 500),
    is_trial=True,
)


@pytest.fixture
def measured(monkeypatch):
    """The works that are measured; each has a pace of 0.001 s a row, and 0.01 s to score one."""
    works = []

    def measure(work, *_):
        works.append(work)
        return Pace(train=0.001, score=0.01)

    monkeypatch.setattr(estimate, "_measured", measure)
    return works


@pytest.mark.usefixtures("measured")
def test_seconds_are_those_of_epochs_and_evaluations():
    estimates = Estimates()

    trial = estimates.seconds(WORK)
    run = estimates.seconds(replace(WORK, is_trial=False))
    fit = estimates.seconds(replace(WORK, backbone="boosted_trees", method="reference"))

    assert trial == pytest.approx(2 * 4_000 * 0.001 + 4 * 1_000 * 0.01)
    assert run == pytest.approx(trial + 1_500 * 0.01 + RUN_SECONDS)
    assert fit == pytest.approx(4_000 * 0.001)


def test_methods_that_adapt_do_so_for_every_task_at_every_evaluation(monkeypatch):
    pace = Pace(train=0.001, score=0.01, adapt=0.1)
    monkeypatch.setattr(estimate, "_measured", lambda *_: pace)
    many = replace(WORK, schema=usual_schema(12, has_many_tasks=True))

    few, many = Estimates().seconds(WORK), Estimates().seconds(many)

    assert few == pytest.approx(2 * 4_000 * 0.001 + 4 * (1_000 * 0.01 + 20 * 0.1))
    assert many - few == pytest.approx(4 * 480 * 0.1)


def test_a_model_and_size_is_measured_once(measured):
    estimates = Estimates()
    same = {"rows": SplitRows(9, 9, 9), "is_trial": False}
    slower = replace(WORK, protocol=with_setting(SMOKE, {"learning_rate": 3e-4}))
    wider = replace(WORK, protocol=with_setting(SMOKE, {"embedding_dim": 32}))

    for work in (WORK, replace(WORK, **same), slower, wider, replace(WORK, method="star")):
        estimates.seconds(work)

    assert measured == [WORK, wider, replace(WORK, method="star")]


def test_tasks_and_ids_are_sizes_of_the_models_that_read_them(measured):
    estimates, schema = Estimates(), WORK.schema
    more_tasks = replace(schema, num_tasks=2 * schema.num_tasks)
    more_ids = replace(schema, field_sizes=(9_000, *schema.field_sizes[1:]))
    about_equal = replace(schema, num_tasks=schema.num_tasks + 1, field_sizes=(1_001,) * 12)

    for method in ("plain", "star"):
        for seen in (schema, more_tasks, more_ids, about_equal):
            estimates.seconds(replace(WORK, method=method, schema=seen))

    measured = [(work.method, work.schema) for work in measured]
    assert measured == [
        *(("plain", seen) for seen in (schema, more_ids)),
        *(("star", seen) for seen in (schema, more_tasks, more_ids)),
    ]


@pytest.mark.parametrize("work", [WORK, replace(WORK, backbone="boosted_trees", method="")])
def test_what_is_measured_takes_some_time(work):
    assert 0.0 < Estimates().seconds(work) < 600.0


@pytest.mark.parametrize("method", ["plain", "star", "maml"])
def test_a_prepared_log_is_measured_on_its_own_rows(log, select, monkeypatch, method):
    config = configure(select(), "tiny", log, "dnn", Change(method=method))
    monkeypatch.setattr(estimate, "random_rows", None)

    seconds = Estimates().seconds(work_of(config, log, is_trial=False))

    assert 0.0 < seconds < 600.0


@pytest.mark.parametrize(("method", "share"), [("plain", COMPILED_SHARE), ("star", 1.0)])
def test_compiled_steps_take_a_share_of_the_time(method, share, monkeypatch):
    monkeypatch.setattr(estimate, "_seconds_of", lambda act: 1.0)
    work = replace(WORK, method=method, rows=SplitRows(10**9, 1, 1))  # its steps are all that count
    own, compiled = (Estimates(Compute(compiles=ways)) for ways in ("never", "always"))

    assert compiled.seconds(work) == pytest.approx(share * own.seconds(work), rel=1e-3)


def test_a_model_that_cannot_be_trained_has_no_time():
    estimates = Estimates()

    assert math.isnan(estimates.seconds(replace(WORK, method="nowhere")))
    assert math.isnan(estimates.seconds(replace(WORK, method="nowhere", is_trial=False)))


def test_seconds_of_several_processes():
    assert wall_seconds([6.0, 4.0, 2.0], 2) == START_SECONDS + 6.0
    assert wall_seconds([6.0], 2) == START_SECONDS + 6.0
    assert math.isnan(wall_seconds([6.0, math.nan], 2))


def test_a_cell_has_the_rows_and_fields_of_its_prepared_log(log, select):
    change = Change(method="star", ids="partition_as_task")
    config = configure(select(), "tiny", log, "dnn", change)

    work = work_of(config, log, is_trial=False)

    assert work.rows == (1_200, 300, 300)
    assert work.schema.field_sizes == log.schema.field_sizes
    assert work.schema.num_tasks == log.schema.num_domains == 61


@pytest.mark.parametrize(("device", "num_workers"), [("cuda", 2), ("cpu", None)])
def test_unknown_machines_have_no_time(log, select, tmp_path, device, num_workers):

    store = RunStore(tmp_path / "out")
    layout = lay_out(select(studies=["main"]), {"tiny": log})
    grid = Grid(store, Agenda(layout, store, compute=Compute(device)))

    assert math.isnan(grid.seconds_left(num_workers))
