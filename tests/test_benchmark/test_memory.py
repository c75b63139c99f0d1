"""The memory of trainings: what cannot fit is refused, and what runs out is told."""

import errno
from dataclasses import replace

import pytest
import torch

from benchmark.planning.cells import configure
from benchmark.planning.studies import Change
from benchmark.running import memory
from benchmark.running.grid import Grid
from benchmark.running.local import attempt
from benchmark.running.memory import GIB, cgroup_limits, needed_by, shortages
from benchmark.store.records import RunStore
from benchmark.tasks import Compute, RunTask
from benchmark.training import build
from benchmark.training.build import assemble, seen_schema
from models.registry import available


@pytest.fixture
def has_memory(monkeypatch):
    """A function that gives the machine another size."""
    return lambda num_bytes: monkeypatch.setattr(memory, "memory_of", lambda _device: num_bytes)


@pytest.mark.parametrize("backbone", available("backbones"))
@pytest.mark.parametrize("method", available("methods"))
def test_a_model_that_is_not_built_has_the_parameters_of_one_that_is(backbone, method, log, select):
    config = configure(select(), "tiny", log, backbone, Change(method=method))
    schema = seen_schema(config, log.schema)
    parameters = [*assemble(config, schema).parameters()]

    needed = needed_by(config, schema)

    assert needed.parameters == sum(one.numel() for one in parameters)
    assert needed.num_bytes == 4 * sum(one.nbytes for one in parameters)
    assert (needed.of_tasks > 0) == any(len(one) == schema.num_tasks for one in parameters)


def test_a_training_that_cannot_fit_is_refused_in_numbers(log, select, train, has_memory):
    config = configure(select(), "tiny", log, "dnn", Change(method="star"))
    needed = needed_by(config, seen_schema(config, log.schema))
    has_memory(needed.num_bytes - 1)
    train(log, Change(method="plain"))

    with pytest.raises(memory.MemoryShortageError) as refused:
        train(log, Change(method="star"))

    gib = f"{needed.num_bytes / GIB:,.1f} GiB"
    assert str(refused.value) == (
        f"dnn+star needs at least {gib} for {needed.parameters:,} parameters,"
        f" {needed.of_tasks:,} of them those of {log.schema.num_tasks - 1:,} tasks, and the"
        f" machine has {gib}; take a coarser partition (--data NAME/COLUMN), fewer --jobs, or"
        " narrower layers"
    )


def test_workers_need_as_much_together_as_the_machine_has(log, select, train, has_memory):
    config = configure(select(), "tiny", log, "dnn", Change(method="star"))
    has_memory(3 * needed_by(config, seen_schema(config, log.schema)).num_bytes)
    train(log, Change(method="star"), compute=Compute(workers=3))

    with pytest.raises(memory.MemoryShortageError, match="in each of 4 workers for"):
        train(log, Change(method="star"), compute=Compute(workers=4))


def test_rows_count_where_a_gpu_holds_them(log, select, has_memory):
    config = configure(select(), "tiny", log, "dnn", Change(method="plain"))
    schema = seen_schema(config, log.schema)
    need = needed_by(config, schema).num_bytes
    has_memory(need + 99)
    memory.check_fits(config, schema, Compute(), row_bytes=100)
    memory.check_fits(config, schema, Compute("cuda"), row_bytes=99)

    with pytest.raises(memory.MemoryShortageError, match="and cuda has "):
        memory.check_fits(config, schema, Compute("cuda"), row_bytes=100)


@pytest.mark.parametrize("num_trials", [0, 1])
def test_a_refused_cell_fails_alone(num_trials, log, select, has_memory, tmp_path, in_process):
    few = {"studies": ["main"], "backbones": ["dnn"], "methods": ["plain", "star"], "num_seeds": 1}
    selection, compute = select(num_trials=num_trials, **few), Compute(workers=9)
    grid = Grid.make(RunStore(tmp_path / "out"), selection, {"tiny": log}, compute=compute)
    config = configure(selection, "tiny", log, "dnn", Change(method="star"))
    num_open = 2 * (num_trials + 1)
    assert grid.agenda.compute.workers == num_open
    need = needed_by(config, seen_schema(config, log.schema)).num_bytes
    has_memory(num_open * need - 1)

    (told,) = shortages(grid.agenda)
    failed = {one.task.config.method: bool(one.error) for one in grid.run(in_process)}

    assert failed == {"plain": False, "star": True}
    refusal = f"MemoryShortageError: {told.partition(' will be refused: ')[2]}"
    assert refusal in grid.problems()[0]
    assert len(grid.problems()) == 1 + num_trials


def test_nothing_is_allocated_to_find_out(log, select):
    config = configure(select(), "tiny", log, "dnn", Change(method="star"))
    schema = replace(seen_schema(config, log.schema), num_tasks=10**12)

    with pytest.raises(memory.MemoryShortageError, match=r"at least \d+,\d{3},\d{3}\.\d GiB for"):
        memory.check_fits(config, schema, Compute())


class Unbuilt:
    """Stands for a plug-in that reads values when it is made."""

    def assemble(self, _schema):
        raise NotImplementedError("Cannot copy out of meta tensor; no data!")


def test_a_model_that_cannot_be_counted_is_not_refused(log, select, has_memory, monkeypatch):
    config = configure(select(), "tiny", log, "dnn", Change(method="plain"))
    monkeypatch.setattr(build, "design_of", lambda _config: Unbuilt())
    has_memory(0)

    memory.check_fits(config, log.schema, Compute())


FAILURES = [
    (MemoryError("Unable to allocate 1.25 GiB for an array with shape (9,)"), " for 1.25 GiB"),
    (MemoryError(), ""),
    (OSError(errno.ENOMEM, "Cannot allocate memory"), ""),
    (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."), " for 20.00 MiB"),
]


@pytest.mark.parametrize(("failure", "wanted"), FAILURES)
def test_what_runs_out_of_memory_is_told_in_one_line(failure, wanted, log, tmp_path):
    def fail(_task):
        raise failure

    outcome = attempt(RunTask(config=None, data=log, out=tmp_path), fail)

    assert outcome.error == f"out of memory: there was no room{wanted}; {memory.ADVICE}"
    assert "Traceback" in outcome.detail


def test_torch_on_a_cpu_that_has_no_room_is_told_in_bytes():
    with pytest.raises(RuntimeError) as failure:
        torch.empty(1 << 58)

    assert f" for {1 << 60} bytes; " in memory.out_of_memory(failure.value)
    assert memory.out_of_memory(RuntimeError("shapes do not match")) == ""


@pytest.mark.parametrize(
    ("own", "files", "limits"),
    [
        ("0::/job/step\n", {"job/memory.max": "64", "job/step/memory.max": "max"}, [64]),
        ("0::/gone\n", {"memory.max": "32\n"}, [32]),
        ("4:memory:/a\n3:cpu:/b\n", {"memory/a/memory.limit_in_bytes": "16"}, [16]),
        ("3:cpu:/b\n", {"memory/b/memory.limit_in_bytes": "16"}, []),
        (None, {}, []),
    ],
)
def test_control_groups_limit_the_memory_of_a_machine(own, files, limits, tmp_path):
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    if own is not None:
        (tmp_path / "cgroup").write_text(own)

    assert cgroup_limits(tmp_path / "cgroup", tmp_path) == limits


def test_this_machine_has_memory():
    assert GIB / 4 < memory.memory_of("cpu") < 1 << 50
