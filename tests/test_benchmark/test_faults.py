"""What may go wrong in the middle: nothing is lost, and nothing half-written counts."""

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.executors import run_cells
from benchmark.files import sole_writer
from benchmark.grid import Grid, prepare_log
from benchmark.planning import Selection
from benchmark.protocol import PRESETS
from benchmark.records import RunStore

ROOT = Path(__file__).resolve().parent.parent.parent
SMOKE = PRESETS["smoke"]
EIGHT_CELLS = ("--only", "table1", "--methods", "plain", "adasparse")


def children_of(pid):
    """Process ids of the living children of a process."""
    children = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[1]) == pid and fields[0] != "Z":
                children.append(int(path.parent.name))
    return children


def is_worker(pid):
    with contextlib.suppress(OSError):
        return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def wait_for(condition, seconds=90):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise TimeoutError


def records_of(out):
    """Records by run id, without the blocks that may differ between equal runs."""
    contents = [json.loads(path.read_text()) for path in out.rglob("record.json")]
    for content in contents:
        del content["timing"], content["environment"]
    return {content["run_id"]: content for content in contents}


@pytest.fixture
def started(tiny_log):
    """A function that starts the front door in a process group of its own."""
    processes = []

    def start(*words):
        command = [sys.executable, str(ROOT / "run_all.py"), "--preset", "smoke"]
        command += ["--data", str(tiny_log), "--jobs", "2", *EIGHT_CELLS, *map(str, words)]
        processes.append(
            subprocess.Popen(
                command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
        )
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def resume(run_all, tiny_log, out, *words):
    return run_all("--preset", "smoke", "--data", tiny_log, "--out", out, *EIGHT_CELLS, *words)


@pytest.mark.slow
def test_killed_run_resumes_to_the_same_records(started, run_all, tiny_log, finished):
    out = tiny_log.parent / "out"
    process = started("--out", out)
    wait_for(lambda: len(records_of(out)) >= 1)
    workers = [pid for pid in children_of(process.pid) if is_worker(pid)]

    process.send_signal(signal.SIGKILL)

    assert workers
    wait_for(lambda: not any(is_worker(pid) for pid in workers))  # orphans end by themselves
    assert len(records_of(out)) < 8
    assert resume(run_all, tiny_log, out).returncode == 0
    assert len(records_of(out)) == 8
    assert records_of(out).items() <= records_of(finished[0]).items()
    assert not list(out.rglob("*.part"))


@pytest.mark.slow
def test_interrupted_run_exits_130_and_resumes(started, run_all, tiny_log):
    out = tiny_log.parent / "out"
    process = started("--out", out)
    wait_for(lambda: len(records_of(out)) >= 1)
    workers = [pid for pid in children_of(process.pid) if is_worker(pid)]

    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "run the same command again" in error
    assert "Traceback" not in error
    assert not any(is_worker(pid) for pid in workers)
    assert resume(run_all, tiny_log, out).returncode == 0
    assert len(records_of(out)) == 8


@pytest.mark.slow
def test_killed_worker_does_not_cost_the_grid_its_cells(started, tiny_log):
    out = tiny_log.parent / "out"
    process = started("--out", out)
    worker = wait_for(lambda: [pid for pid in children_of(process.pid) if is_worker(pid)])[0]
    wait_for(lambda: len(records_of(out)) >= 1)

    os.kill(worker, signal.SIGKILL)
    output, error = process.communicate(timeout=200)

    assert process.returncode == 0, output + error
    assert len(records_of(out)) == 8


def limit_file_size(size):
    """Stands for a full disk: no file may grow beyond `size` bytes."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def assert_one_clear_line(done, out):
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert "File too large" in done.stderr
    assert not list(out.rglob("*.part"))


@pytest.mark.parametrize("size", [300, 1_000, 3_000, 6_000])
def test_full_disk_while_writing_runs_is_one_line_and_leaves_no_halves(
    run_all, tiny_log, finished, size
):
    out = tiny_log.parent / "out"  # `finished` has left the log prepared

    done = run_all(
        *("--preset", "smoke", "--data", tiny_log, "--out", out, "--seeds", 1, *EIGHT_CELLS),
        preexec_fn=limit_file_size(size),
    )

    assert_one_clear_line(done, out)


@pytest.mark.parametrize("size", [1_000, 12_000, 40_000])
def test_full_disk_while_preparing_is_one_line_and_leaves_no_halves(run_all, tiny_log, size):
    path = tiny_log.parent / "tiny.csv"
    path.write_text(path.read_text().replace("0.5", "0.6"))  # a log that is not prepared yet
    cache = ROOT / "datasets" / "data" / "prepared"
    before = set(cache.iterdir())

    done = run_all(
        *("--preset", "smoke", "--data", tiny_log, "--out", tiny_log.parent / "out"),
        preexec_fn=limit_file_size(size),
    )

    assert_one_clear_line(done, tiny_log.parent)
    left = {path.name for path in set(cache.iterdir()) - before}
    assert all(name.endswith(".lock") for name in left)


def test_a_second_run_into_the_same_folder_is_refused(run_all, tiny_log):
    out = tiny_log.parent / "out"

    with sole_writer(out):
        done = run_all("--preset", "smoke", "--data", tiny_log, "--out", out)

    assert done.returncode == 2
    assert "another run is writing here" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_two_logs_of_one_name_are_refused(run_all, tiny_log):
    other = tiny_log.parent / "other.toml"
    other.write_text(tiny_log.read_text().replace("tiny.csv", "other.csv"))
    lines = (tiny_log.parent / "tiny.csv").read_text().splitlines()
    (tiny_log.parent / "other.csv").write_text("\n".join(lines[:-30]))

    done = run_all(
        *("--preset", "smoke", "--data", tiny_log, other, "--out", tiny_log.parent / "out")
    )

    assert done.returncode == 2
    assert "two different logs are named 'tiny'" in done.stderr


@pytest.mark.parametrize("harm", ["truncate", "edit"])
def test_harmed_cache_is_noticed_and_built_again(tiny_log, tmp_path, harm):
    first = prepare_log(str(tiny_log), None, tmp_path / "cache", SMOKE)
    path = first.directory / "rows.npy"
    good = path.read_bytes()

    path.write_bytes(good[:-8] if harm == "truncate" else good[:-1] + bytes([good[-1] ^ 1]))
    again = prepare_log(str(tiny_log), None, tmp_path / "cache", SMOKE)

    assert again.fingerprint == first.fingerprint
    assert path.read_bytes() == good


@pytest.fixture
def failing_grid(tiny_log, tmp_path):
    """A grid of two cells whose loss leaves the numbers at once."""
    protocol = replace(SMOKE.protocol, learning_rate=1e30)
    selection = Selection(
        preset=replace(SMOKE, protocol=protocol),
        studies=["table1"],
        data=["tiny"],
        world_rows=1,
        backbones=["dnn"],
        methods=["plain", "adasparse"],
        num_seeds=1,
        embedding_optimizer="sparse",
    )
    log = prepare_log(str(tiny_log), None, tmp_path / "cache", SMOKE)
    return Grid.make(RunStore(tmp_path / "out"), selection, {"tiny": log}, "cpu")


def test_failed_cells_are_marked_counted_and_retried_only_on_demand(failing_grid):
    cells = failing_grid.todo(retry_failed=False)

    outcomes = list(failing_grid.run(cells, num_workers=1))

    assert all("NonFiniteLossError: the loss is" in outcome.error for outcome in outcomes)
    assert len(failing_grid.failures()) == 2
    assert failing_grid.todo(retry_failed=False) == []
    assert len(failing_grid.todo(retry_failed=True)) == 2
    errors = list(failing_grid.store.out.rglob("error.json"))
    assert len(errors) == 2
    assert "Traceback" in json.loads(errors[0].read_text())["detail"]
    assert not list(failing_grid.store.out.rglob("record.json"))


def test_report_is_written_and_status_says_failed(failing_grid, run_all):
    list(failing_grid.run(failing_grid.todo(retry_failed=False), num_workers=1))

    status = run_all("--status", "--out", failing_grid.store.out)
    report = run_all("--report-only", "--out", failing_grid.store.out)

    assert status.returncode == 0
    assert "0 done, 2 failed, 0 missing" in status.stdout
    assert report.returncode == 0
    page = failing_grid.store.out / "report" / "index.html"
    assert "NonFiniteLossError" in page.read_text()


def test_a_cell_that_cannot_be_built_fails_alone(failing_grid):
    good, bad = failing_grid.todo(retry_failed=False)
    good = replace(good, config=replace(good.config, protocol=SMOKE.protocol))
    bad = replace(bad, config=replace(bad.config, method_config={"beta": 0.5}))

    outcomes = {o.cell.config.run_id: o for o in run_cells([good, bad], num_workers=2)}

    assert outcomes[good.config.run_id].error == ""
    assert "beta must be at least 1, got 0.5" in outcomes[bad.config.run_id].error
