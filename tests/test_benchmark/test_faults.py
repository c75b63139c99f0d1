"""What may go wrong in the middle: nothing is lost, and nothing half-written counts."""

import errno
import json
import os
import resource
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from benchmark.command_line.listing import status_lines
from benchmark.protocol import PRESETS
from benchmark.running.grid import Grid, prepare_log
from benchmark.running.local import attempt, run_tasks
from benchmark.store.files import sole_writer
from benchmark.store.records import RunStore
from datasets.files import locked

ROOT = Path(__file__).resolve().parent.parent.parent
SMOKE = PRESETS["smoke"]
EIGHT_CELLS = ("--only", "main", "--methods", "plain", "adasparse")


def limit_file_size(size):
    """Stands for a full disk: no file may grow beyond `size` bytes."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def assert_one_clear_line(done, out):
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert "File too large" in done.stderr
    assert not list(out.rglob("*.part"))


@pytest.mark.slow
@pytest.mark.parametrize("size", [300, 3_000])
def test_full_disk_while_writing_runs_is_one_line_and_leaves_no_halves(
    run_all, tiny_log, finished, size
):
    out = tiny_log.parent / "out"  # `finished` has left the log prepared

    done = run_all(
        *("--preset", "smoke", "--data", tiny_log, "--out", out, "--seeds", 1, *EIGHT_CELLS),
        preexec_fn=limit_file_size(size),
    )

    assert_one_clear_line(done, out)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only to the superuser")
def test_a_folder_that_cannot_be_written_is_one_line(front_door, tiny_log):
    out = tiny_log.parent / "out"
    out.mkdir(mode=0o500)

    done = front_door("--preset", "smoke", "--data", tiny_log, "--out", out)

    assert done.returncode == 2
    assert f"{out}" in done.stderr
    assert "Permission denied" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def halves_in(cache):
    """Half-prepared logs that nobody is at work on; other tests may be preparing theirs."""
    halves = set()
    for path in cache.glob(".*.partial"):
        fingerprint = path.name.split(".")[1]
        with suppress(BlockingIOError), locked(cache / f".{fingerprint}.lock", refusal="in use"):
            halves |= {path} if path.exists() else set()
    return halves


@pytest.mark.slow
@pytest.mark.parametrize("size", [1_000, 40_000])
def test_full_disk_while_preparing_is_one_line_and_leaves_no_halves(run_all, tiny_log, size):
    path = tiny_log.parent / "tiny.csv"
    path.write_text(path.read_text().replace("0.5", "0.6"))  # a log that is not prepared yet
    cache = ROOT / "datasets" / "data" / "prepared"
    before = halves_in(cache)

    done = run_all(
        *("--preset", "smoke", "--data", tiny_log, "--out", tiny_log.parent / "out"),
        preexec_fn=limit_file_size(size),
    )

    assert_one_clear_line(done, tiny_log.parent)
    assert halves_in(cache) <= before


def test_a_second_run_into_the_same_folder_is_refused(front_door, tiny_log):
    out = tiny_log.parent / "out"

    with sole_writer(out):
        done = front_door("--preset", "smoke", "--data", tiny_log, "--out", out)

    assert done.returncode == 2
    assert "another run is writing here" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_folder_of_another_version_is_refused_and_stays(front_door, tiny_log):
    out = tiny_log.parent / "out"
    out.mkdir()
    (out / "plan.json").write_text('{"schema_version": 3, "slots": {}}')

    done = front_door("--preset", "smoke", "--data", tiny_log, "--out", out)

    assert done.returncode == 2
    assert "schema version 3, this program reads" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert (out / "plan.json").read_text() == '{"schema_version": 3, "slots": {}}'


def test_two_logs_of_one_name_are_refused(front_door, tiny_log):
    other = tiny_log.parent / "other.toml"
    other.write_text(tiny_log.read_text().replace("tiny.csv", "other.csv"))
    lines = (tiny_log.parent / "tiny.csv").read_text().splitlines()
    (tiny_log.parent / "other.csv").write_text("\n".join(lines[:-30]))

    done = front_door(
        *("--preset", "smoke", "--data", tiny_log, other, "--out", tiny_log.parent / "out")
    )

    assert done.returncode == 2
    assert "two different logs are named 'tiny'" in done.stderr


@pytest.fixture
def failing_grid(tiny_log, tmp_path, select):
    """A function that makes a grid of two cells whose loss leaves the numbers at once."""
    protocol = replace(SMOKE.protocol, learning_rate=1e30)
    selection = select(
        preset=replace(SMOKE, protocol=protocol),
        studies=["main"],
        backbones=["dnn"],
        num_trials=0,
        num_seeds=1,
    )
    log = prepare_log(str(tiny_log), None, tmp_path / "cache", selection)

    def make(*wanted, **changes):
        return Grid.make(
            RunStore(tmp_path / "out"),
            replace(selection, **changes),
            {"tiny": log},
            wanted=("missing", *wanted),
        )

    return make


def run(grid):
    return list(grid.run(partial(run_tasks, num_workers=1)))


def test_failed_cells_are_marked_counted_and_retried_only_on_demand(failing_grid):
    grid = failing_grid()

    outcomes = run(grid)

    assert all("NonFiniteLossError: the loss is" in outcome.error for outcome in outcomes)
    assert len(grid.problems()) == 2
    assert failing_grid().agenda.num_open == 0
    assert failing_grid().agenda.num_given_up == 2
    assert failing_grid("failed").agenda.num_given_up == 0
    assert failing_grid("failed").agenda.num_open == 2
    errors = list(grid.store.out.rglob("error.json"))
    assert len(errors) == 2
    assert "Traceback" in json.loads(errors[0].read_text())["detail"]
    assert not list(grid.store.out.rglob("record.json"))


def test_a_search_without_a_complete_trial_fails_its_cells_and_no_others(failing_grid):
    grid = failing_grid(num_trials=2)

    outcomes = run(grid)

    assert [outcome.task.index for outcome in outcomes] == [0, 1] * 2  # no final run
    *roots, one, other = grid.problems()
    trials = [root.split(": NonFiniteLossError")[0].rpartition(" ")[2] for root in roots]
    assert trials == ["0", "1"] * 2
    for lost in (one, other):
        assert "not run, for all trials of its search failed; trial 0: NonFiniteLossError" in lost
    assert not list(grid.store.out.rglob("error.json"))  # no run of other values is marked
    assert "2 failed, 0 missing" in status_lines(grid.store)[0]
    assert failing_grid(num_trials=2).agenda.num_open == 0
    assert failing_grid("failed", num_trials=2).agenda.take().index == 0


@pytest.mark.usefixtures("light_tables")
def test_report_is_written_and_status_says_failed(failing_grid, front_door):
    out = failing_grid().store.out
    run(failing_grid())

    status = front_door("--status", "--out", out)
    report = front_door("--report-only", "--out", out)

    assert status.returncode == 0
    assert "0 done, 2 failed, 0 missing" in status.stdout
    assert report.returncode == 1
    assert "NonFiniteLossError" in report.stdout.splitlines()[-1]
    page = out / "report" / "index.html"
    assert "NonFiniteLossError" in page.read_text()


class Given:
    """A source of these tasks."""

    def __init__(self, *tasks):
        self.tasks = list(tasks)
        self.settled = []

    def take(self):
        return self.tasks.pop(0) if self.tasks else None

    def settle(self, outcome):
        self.settled.append(outcome)


@dataclass(frozen=True)
class Raising:
    """A task that raises."""

    failure: OSError
    out: Path

    def run(self):
        raise self.failure


@pytest.mark.parametrize(
    "failure",
    [
        FileNotFoundError(errno.ENOENT, "No such file", "/a/table/of/a/plug-in.csv"),
        PermissionError(errno.EACCES, "Permission denied", "/a/table/of/a/plug-in.csv"),
        ConnectionResetError(errno.ECONNRESET, "reset by peer"),
    ],
)
def test_files_of_a_plug_in_are_its_own_failure(tmp_path, failure):
    outcome = attempt(Raising(failure, tmp_path), Raising.run)

    assert outcome.error.startswith(type(failure).__name__)
    assert "Traceback" in outcome.detail


def test_a_disk_that_fails_everybody_stops_the_grid(tmp_path):
    full = OSError(errno.ENOSPC, "No space left on device")
    closed = PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "runs" / "a.csv"))

    for failure in (full, closed):
        with pytest.raises(OSError, match=failure.strerror):
            attempt(Raising(failure, tmp_path), Raising.run)


def test_a_cell_that_cannot_be_built_fails_alone(failing_grid):
    agenda = failing_grid().agenda
    bad, good = sorted((agenda.take(), agenda.take()), key=lambda cell: cell.config.method)
    good = replace(good, config=replace(good.config, protocol=SMOKE.protocol))
    bad = replace(bad, config=replace(bad.config, method_config={"beta": 0.5}))
    source = Given(good, bad)

    outcomes = {o.task.config.run_id: o for o in run_tasks(source, num_workers=1)}

    assert len(source.settled) == 2
    assert outcomes[good.config.run_id].error == ""
    assert "beta must be at least 1, got 0.5" in outcomes[bad.config.run_id].error
