"""A plug-in that raises: its line on the terminal, its traceback in the store, the root first."""

import json

import pytest

from benchmark.command_line.listing import status_lines
from benchmark.running.grid import Grid, prepare_log
from benchmark.store.records import RunStore
from benchmark.store.trials import read_trial
from models import registry
from models.registry import use_plugins

RAISING = {  # where the template raises, and the text that it has instead
    "build": ("self.config = config", "raise LookupError('in build')"),
    "forward": ("return h * 2.0", "return h * {}['gate']"),
    "update": ("def transform", "def update(self, *_):\n        exit('no')\n\n    def transform"),
}


@pytest.fixture(autouse=True)
def no_plugins(monkeypatch):
    """Plug-ins last as long as a test."""
    monkeypatch.setenv(registry.PLUGINS_VARIABLE, "")


@pytest.fixture
def raising(front_door, tmp_path, monkeypatch):
    """A function that writes a method which raises in one place and makes it known."""

    def write(place):
        monkeypatch.chdir(tmp_path)
        front_door("--new-method", "mine")
        path, (before, after) = tmp_path / "mine.py", RAISING[place]
        head, found, tail = path.read_text().rpartition(before)
        assert found
        path.write_text(head + after + tail)
        use_plugins([path])
        return path

    return write


@pytest.fixture
def run_of(tiny_log, tmp_path, select, in_process):
    """A function that runs a grid of the method alone: the grid and its lines."""

    def run(num_trials):
        selection = select(
            studies=["main"],
            backbones=["dnn"],
            methods=["mine"],
            num_trials=num_trials,
            num_seeds=1,
        )
        log = prepare_log(str(tiny_log), None, tmp_path / "cache", selection)
        grid = Grid.make(RunStore(tmp_path / "out"), selection, {"tiny": log})
        return grid, [grid.line(outcome) for outcome in grid.run(in_process)]

    return run


@pytest.mark.parametrize(
    ("place", "error", "function", "text"),
    [
        ("build", "LookupError: in build", "__init__", "raise LookupError('in build')"),
        ("forward", "KeyError: 'gate'", "forward", "return h * {}['gate']"),
        ("update", "SystemExit: no", "update", "exit('no')"),
    ],
)
def test_the_own_line_is_told_and_the_traceback_kept(raising, run_of, place, error, function, text):
    lines = raising(place).read_text().splitlines()
    number = next(number for number, line in enumerate(lines, 1) if text in line)

    grid, (line,) = run_of(num_trials=0)

    (path,) = grid.store.out.rglob("error.json")
    content = json.loads(path.read_text())
    assert content["error"].startswith(f"{error}, at mine.py:{number} in {function}: {text}")
    assert line.endswith(f"FAILED: {content['error']}")
    assert content["detail"].startswith("Traceback (most recent call last):")
    assert "mine.py" in content["detail"]


@pytest.mark.usefixtures("light_tables")
def test_the_training_that_failed_by_itself_is_named_first_everywhere(raising, run_of, front_door):
    raising("forward")

    grid, _ = run_of(num_trials=2)
    out, (search,) = grid.store.out, grid.agenda.plan.searches
    status = [line for line in status_lines(grid.store) if line.startswith("failed: ")]
    report = front_door("--report-only", "--out", out)

    root = f"{search.title} trial 0: KeyError: 'gate', at mine.py:"
    lost = "not run, for all trials of its search failed; trial 0: KeyError: 'gate', at mine.py:"
    assert grid.problems()[0].startswith(root)
    assert lost in grid.problems()[2]
    assert status == [f"failed: {line}" for line in grid.problems()]
    assert f"First: {root}" in report.stdout
    assert lost.replace("'", "&#39;") in (out / "report" / "index.html").read_text()
    assert "Traceback" in read_trial(out / search.folder, 1).detail


@pytest.mark.slow
def test_no_traceback_is_shown_and_the_other_models_are_run(raising, run_all, tiny_log):
    path, out = raising("forward"), tiny_log.parent / "out"

    done = run_all(
        *(
            "--preset",
            "smoke",
            "--data",
            tiny_log,
            "--out",
            out,
            "--seeds",
            1,
            "--only",
            "main,cost",
        ),
        *("--backbones", "dnn", "--methods", "plain", "mine", "--plugin", path),
    )

    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert "First: tiny/place dnn+mine trial 0: KeyError: 'gate', at mine.py:" in done.stdout
    assert "WARNING: method mine: fails the check 'shape of logits'" in done.stdout
    assert [path.parent.parent.name for path in out.rglob("record.json")] == ["dnn+plain"]
