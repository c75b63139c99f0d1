"""Killed and interrupted in the middle: the next call ends like one that was left alone."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import polars.selectors as cs
import pytest

from reports.verify import verify

ROOT = Path(__file__).resolve().parent.parent.parent
EIGHT_CELLS = ("--only", "main", "--methods", "plain", "adasparse")


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
        command += [
            "--data",
            str(tiny_log),
            "--jobs",
            "2",
            "--no-mlflow",
            *EIGHT_CELLS,
            *map(str, words),
        ]
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


def trials_of(out):
    """Trials by path, without the blocks that may differ between equal ones."""
    contents = {path.relative_to(out): path for path in out.glob("tuning/**/*.json")}
    read = {name: json.loads(path.read_text()) for name, path in contents.items()}
    for content in read.values():
        content.pop("timing", None), content.pop("environment", None)
    return read


def tables_of(out):
    """The tables of the report, without the columns that are made of times."""
    frames = {path.name: pl.read_csv(path) for path in out.glob("report/tables/*.csv")}
    times = cs.contains("seconds", "per_second", "latency")
    return {name: frame.drop(times).write_csv() for name, frame in frames.items()}


def set_clock_back(out):
    """What is there seems to be of tomorrow, as after a clock is set back by a day."""
    tomorrow = time.time() + 86_400
    for path in out.rglob("*"):
        os.utime(path, (tomorrow, tomorrow))


@pytest.mark.slow
def test_tree_killed_at_random_moments_ends_like_an_uninterrupted_one(
    started, run_all, tiny_log, finished
):
    out, rng = tiny_log.parent / "out", random.Random(7)
    for least in range(1, 17, 4):  # files of trials and records
        process = started("--out", out)
        wait_for(lambda least=least: len(trials_of(out)) + len(records_of(out)) >= least)
        workers = [pid for pid in children_of(process.pid) if is_worker(pid)]
        time.sleep(rng.random())

        for pid in (process.pid, *workers):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.communicate()

    assert resume(run_all, tiny_log, out).returncode == 0
    assert trials_of(out) == trials_of(finished[0])
    assert records_of(out) == records_of(finished[0])
    assert tables_of(out) == tables_of(finished[0])
    assert not list(out.rglob("*.part"))


@pytest.mark.slow
@pytest.mark.usefixtures("all_figures")
def test_killed_at_any_moment_under_a_clock_that_goes_back_nothing_is_lost(
    started, run_all, tiny_log, finished
):
    out, rng = tiny_log.parent / "out", random.Random(11)
    kept = {}
    for _ in range(12):
        process = started("--out", out)
        time.sleep(rng.uniform(0.5, 9.0))  # imports, preparation, tuning, runs or report
        for pid in (process.pid, *filter(is_worker, children_of(process.pid))):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.communicate()
        assert kept.items() <= records_of(out).items()
        kept = records_of(out)
        set_clock_back(out)

    assert resume(run_all, tiny_log, out).returncode == 0
    assert trials_of(out) == trials_of(finished[0])
    assert records_of(out) == records_of(finished[0])
    assert tables_of(out) == tables_of(finished[0])
    assert verify(out).differences == []


@pytest.mark.slow
def test_of_two_programs_on_a_folder_one_works_and_the_other_leaves(started, tiny_log, finished):
    out = tiny_log.parent / "out"

    both = [started("--out", out) for _ in range(2)]
    errors = [process.communicate(timeout=200)[1] for process in both]

    (refused,) = [place for place, process in enumerate(both) if process.returncode]
    assert both[refused].returncode == 2
    assert "another run is writing here" in errors[refused]
    assert len(errors[refused].strip().splitlines()) == 1
    assert records_of(out) == records_of(finished[0])
    assert tables_of(out) == tables_of(finished[0])


@pytest.mark.slow
def test_workers_end_with_a_killed_parent(started, tiny_log):
    process = started("--out", tiny_log.parent / "out")
    workers = wait_for(lambda: [pid for pid in children_of(process.pid) if is_worker(pid)])

    process.send_signal(signal.SIGKILL)

    wait_for(lambda: not any(is_worker(pid) for pid in workers))


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
