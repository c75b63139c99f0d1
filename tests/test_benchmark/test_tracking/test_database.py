"""The database of an output folder: made once, recognised when broken, never destroyed."""

import shlex
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.utils.file_utils import local_file_uri_to_path

from benchmark.config import ConfigError
from benchmark.store.environment import ROOT
from benchmark.tracking.__main__ import main
from benchmark.tracking.database import database_uri, ensure_database
from benchmark.tracking.tracker import Tracker, stored_hint
from reports import build


def start(*words):
    command = [sys.executable, "-m", "benchmark.tracking", *map(str, words)]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def count_runs(out):
    with closing(sqlite3.connect(out / "mlflow.db")) as connection:
        query = "SELECT count(*) FROM runs WHERE lifecycle_stage = 'active'"
        return connection.execute(query).fetchone()[0]


def make_text(path):
    path.write_text("not a database, but long enough to be looked at" * 200)


def make_empty(path):
    path.write_bytes(b"")


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def leave_unfinished_table(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE _alembic_tmp_runs (id INTEGER)")


HARMS = {
    make_text: "file is not a database",
    make_empty: "no such table: alembic_version",
    truncate: "malformed",
    leave_unfinished_table: "_alembic_tmp_runs",
}


@pytest.mark.parametrize("harm", HARMS, ids=lambda harm: harm.__name__)
def test_a_broken_database_is_one_line_and_stays_as_it_is(grid, empty_database, harm, caplog):
    plan, path = grid.plan(), grid.out / "mlflow.db"
    path.write_bytes(empty_database.read_bytes())
    harm(path)
    before = path.read_bytes()

    hint = Tracker(grid.out, None).finish(plan)

    (problem,) = caplog.messages
    assert (hint, len(problem.splitlines())) == ("", 1)
    assert HARMS[harm] in problem
    assert f"python -m benchmark.tracking --rebuild --out {grid.out}" in problem
    assert path.read_bytes() == before


def test_a_database_of_another_version_is_one_line_that_says_how_to_upgrade(
    grid, empty_database, capsys
):
    grid.plan()
    path = grid.out / "mlflow.db"
    path.write_bytes(empty_database.read_bytes())
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")
        connection.commit()

    code = main(["--sync", "--out", str(grid.out)])

    error = capsys.readouterr().err
    assert code == 2
    assert len(error.splitlines()) == 1
    assert "mlflow db upgrade" in error


def test_rebuild_sets_a_broken_database_aside(grid, capsys):
    path = grid.out / "mlflow.db"
    grid.plan()
    make_text(path)
    broken = path.read_bytes()

    assert main(["--rebuild", "--out", str(grid.out)]) == 0

    (former,) = grid.out.glob("mlflow.db.*Z")
    output = capsys.readouterr()
    assert output.err == ""
    assert str(former) in output.out
    assert former.read_bytes() == broken
    assert count_runs(grid.out) == 8  # two cells, four final runs, two trials


@pytest.mark.slow
def test_two_processes_at_once_make_one_database_with_every_run_once(grid):
    grid.plan()

    both = [start("--sync", "--out", grid.out) for _ in range(2)]
    results = [process.communicate() for process in both]

    assert [process.returncode for process in both] == [0, 0], results
    assert [err for _, err in results] == ["", ""]
    assert count_runs(grid.out) == 8


def test_a_folder_that_cannot_be_written_is_a_problem_in_one_line(grid, monkeypatch, caplog):
    plan = grid.plan()

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("benchmark.tracking.tracker.ensure_database", fail)

    Tracker(grid.out, None).finish(plan)

    (problem,) = caplog.messages
    assert problem.startswith("MLflow: OSError: [Errno 28] No space left on device; the runs are")


ODD = "a%20b c?d#e exp[2024]*über;&=+@'"


def test_the_database_of_a_folder_of_any_name_lies_in_it(tmp_path):
    out = tmp_path / ODD
    out.mkdir()

    ensure_database(out)

    assert [path.name for path in tmp_path.iterdir()] == [ODD]
    assert [path.name for path in out.iterdir()] == ["mlflow.db"]
    (experiment,) = MlflowClient(database_uri(out)).search_experiments()
    assert Path(local_file_uri_to_path(experiment.artifact_location)).is_relative_to(out)


def test_files_of_runs_in_a_folder_of_any_name_lie_in_it(grid, empty_database, tmp_path):
    out = tmp_path / ODD
    shutil.copytree(grid.out, out)
    (out / "mlflow.db").write_bytes(empty_database.read_bytes())

    hint = Tracker(out, None).finish(grid.plan())

    assert {path.name for path in tmp_path.iterdir()} == {out.name, grid.out.name}
    assert count_runs(out) > 0
    assert {*(out / "mlartifacts").rglob("record.json")}
    first, second = hint.splitlines()
    program, *words = shlex.split(first.removeprefix("browse: ").partition(" (")[0])
    assert Path(program).name == "mlflow"
    assert shutil.which(program)
    assert words == ["ui", "--backend-store-uri", database_uri(out)]
    [experiment] = {
        one.experiment_id
        for one in MlflowClient(database_uri(out)).search_experiments()
        if one.name != "Default"
    }
    assert f"/#/experiments/{experiment}/runs?" in second


def test_report_only_ends_with_the_lines_of_a_run(synced, front_door, monkeypatch):
    page = synced.out / "index.html"
    page.with_name(build.SUMMARY).write_text("the answer")
    monkeypatch.setattr(build, "build", lambda out: page)
    monkeypatch.setattr(build, "problems_of", lambda out: [])
    ends = Tracker(synced.out, None).finish(synced.made).splitlines()

    done = front_door("--report-only", "--out", synced.out)

    assert done.stdout.splitlines() == ["the answer", "", f"report: {page.as_uri()}", *ends]
    assert len(ends) == 2


def test_a_folder_without_a_database_has_no_hint(grid):
    assert stored_hint(grid.out, grid.plan()) == ""


@pytest.mark.parametrize("harm", [make_text, make_empty], ids=lambda harm: harm.__name__)
def test_a_broken_database_is_named_in_the_place_of_the_hint(grid, empty_database, harm):
    shutil.copy(empty_database, grid.out)
    harm(grid.out / "mlflow.db")

    hint = stored_hint(grid.out, grid.plan())

    assert hint.startswith(f"MLflow: {grid.out / 'mlflow.db'}: not a usable MLflow database")
    assert "--rebuild" in hint


def test_a_password_in_an_address_is_shown_nowhere(tmp_path):
    uris = ["ftp://me:secret@host", "http://me:sec@ret@127.0.0.1:9/x", "https://secret@127.0.0.1:9"]

    for uri in uris:
        with pytest.raises(ConfigError, match=r"//\*\*\*@") as caught:
            Tracker(tmp_path, uri)
        assert "sec" not in str(caught.value)


@pytest.mark.parametrize("uri", ["file:./mlruns", "mlruns", "sqlite:///x.db", "http://"])
def test_an_address_that_is_not_a_server_is_refused(tmp_path, uri):
    with pytest.raises(ConfigError, match="must be the address of an MLflow server") as caught:
        Tracker(tmp_path, uri)

    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--sync"], "no runs in"),
        (["--rebuild", "--tracking-uri", "http://127.0.0.1:9"], "--rebuild is for the database"),
        ([], "--sync --rebuild is required"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(words, expected, tmp_path, capsys):
    try:
        code = main([*words, "--out", str(tmp_path)])
    except SystemExit as left:
        code = left.code

    error = capsys.readouterr().err
    assert code == 2
    assert expected in error
    assert len(error.splitlines()) == 1


def test_help_and_training_code_do_not_import_mlflow():
    code = (
        "import sys, benchmark.tracking.tracker, benchmark.running.network_run;"
        " print('mlflow' in sys.modules)"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "False"
