"""The store on an MLflow server, and one that dies."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager

import pytest
from mlflow import MlflowClient

from benchmark.tracking.tracker import Tracker


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def serving(folder):
    """An MLflow server on loopback; yields its address and its process."""
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    words = ["--host", "127.0.0.1", "--port", port, "--workers", 1]
    words += ["--backend-store-uri", f"sqlite:///{folder}/server.db"]
    words += ["--artifacts-destination", folder / "artifacts"]
    command = [sys.executable, "-m", "mlflow", "server", *map(str, words)]
    with (folder / "log.txt").open("w") as log:
        server = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, start_new_session=True
        )
    try:
        wait_for(f"{uri}/health", server, folder / "log.txt")
        yield uri, server
    finally:
        kill(server)


def kill(server):
    """End a server and all its children, which are of its session."""
    if server.poll() is None:
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def wait_for(address, server, log):
    for _ in range(300):
        assert server.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except OSError:
            time.sleep(0.5)
    raise AssertionError(log.read_text())


def runs_on(uri):
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("synthetic")
    return {run.data.tags["key"]: run for run in client.search_runs([experiment.experiment_id])}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("server")) as (uri, _):
        yield uri


@pytest.mark.slow
def test_a_server_gets_every_run_once_with_its_files(grid, server):
    plan, tracker = grid.plan(), Tracker(grid.out, server)

    tracker.sync(plan)
    ids = {key: run.info.run_id for key, run in runs_on(server).items()}
    tracker.sync(plan)

    runs = runs_on(server)
    assert {key: run.info.run_id for key, run in runs.items()} == ids
    assert len(runs) == 8
    key = f"final/{grid.config(method='star', seed=2).slot_id}"
    assert runs[key].data.metrics["test/auc"] == pytest.approx(0.62)
    files = {entry.path for entry in MlflowClient(server).list_artifacts(ids[key])}
    assert {"record.json", "predictions.parquet"} <= files
    assert not (grid.out / "mlflow.db").exists()


@pytest.mark.slow
def test_runs_that_others_sent_to_a_server_stay(grid, server):
    plan = grid.plan()
    Tracker(grid.out, server).sync(plan)
    before = {run.info.run_id for run in runs_on(server).values()}
    (grid.out / "mlflow_origin.txt").write_text("another folder\n")

    Tracker(grid.out, server).sync(plan)

    experiment = MlflowClient(server).get_experiment_by_name("synthetic").experiment_id
    after = {run.info.run_id for run in MlflowClient(server).search_runs([experiment])}
    assert before < after


@pytest.mark.slow
def test_a_server_that_dies_is_one_line_and_the_rest_is_imported_later(
    grid, tmp_path, monkeypatch, caplog
):
    plan = grid.plan()
    folder = tmp_path / "server"
    folder.mkdir()
    with serving(folder) as (uri, process):
        from benchmark.tracking.writer import Writer

        end, ended = Writer._end, []

        def end_and_die(writer, *arguments):
            end(writer, *arguments)
            ended.append(arguments)
            if len(ended) == 2:
                kill(process)

        monkeypatch.setattr(Writer, "_end", end_and_die)
        Tracker(grid.out, uri).finish(plan)
    monkeypatch.undo()

    (problem,) = caplog.messages
    assert len(problem.splitlines()) == 1
    assert problem.startswith("MLflow: ")
    with serving(folder) as (uri, _):
        Tracker(grid.out, uri).sync(plan)
        assert len(runs_on(uri)) == 8
