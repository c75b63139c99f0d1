"""What tests share that go through the command line."""

import gc
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import run_all as front
from benchmark.store.plan import Search
from datasets.files import locked
from models.layers.kernels.build import library_path
from models.layers.kernels.library import use
from models.registry import use_plugins
from reports import build
from reports.build import load_figures
from reports.figures import fig1
from reports.look import part

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "reports" / "reference"
MADE = ("optuna", "report", ".lock", ".report.lock")  # by a report or a run, and not committed
LEFT_OUT = ("__pycache__", ".*", "runs", "data", "mlruns")
SPEC = """\
name = "tiny"
label = "click"
timestamp = "time"
files = "tiny.csv"
partition = ["place"]

[[features]]
name = "place"

[[features]]
name = "item"

[[features]]
name = "price"
kind = "numeric"

[[features]]
name = "tags"
kind = "bag"
"""


def pytest_addoption(parser):
    """`--plugin FILE.py`: a method or backbone for the tests of the contract."""
    parser.addoption("--plugin", type=Path, action="append", default=[], metavar="FILE.py")


def pytest_configure(config):
    """Make the files of `--plugin` known before tests are collected."""
    use_plugins(config.getoption("plugin"))


def pytest_collection_finish():
    """Leave imported modules out of the collections that statsmodels makes at every call."""
    gc.freeze()


def copy_repository(folder):
    """The new folder, with the project and its committed sample but nothing that a user made."""
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*LEFT_OUT), symlinks=True)
    for name in ("data", "runs"):
        shutil.copytree(SAMPLE / name, folder / "reports/reference" / name)
    return folder


def write_tiny_log(folder, rows=1_800):
    """A log of three places whose items are clicked at different rates, and its description."""
    rng = np.random.default_rng(5)
    item = rng.integers(0, 20, rows)
    place = rng.integers(0, 3, rows)
    clicked = rng.random(rows) < 0.1 + 0.03 * ((item + 5 * place) % 20)
    frame = pl.DataFrame(
        {
            "time": np.arange(rows) // 2,
            "click": clicked.astype(int),
            "place": place,
            "item": item,
            "price": np.round(rng.random(rows), 2),
            "tags": [f"{one};{two}" for one, two in zip(item % 5, item % 7, strict=True)],
        }
    )
    frame.write_csv(folder / "tiny.csv")
    (folder / "tiny.toml").write_text(SPEC, encoding="utf-8")
    return folder / "tiny.toml"


@pytest.fixture
def tiny_log(tmp_path):
    """Path of the description of a small log in a fresh folder."""
    return write_tiny_log(tmp_path)


@pytest.fixture(scope="session")
def run_all():
    """A function that runs the front door in a process of its own and returns how it ended.

    Without MLflow, whose import and new database take seconds, unless that is asked for.
    """

    def run(*words, has_mlflow=False, **options):
        copies = [] if "--tracking-uri" in words or has_mlflow else ["--no-mlflow"]
        command = [sys.executable, str(ROOT / "run_all.py"), *map(str, words), *copies]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=300, check=False, cwd=ROOT, **options
        )

    return run


@pytest.fixture
def front_door(capsys):
    """The same in this process and many times as fast, for calls that train nothing."""

    def run(*words):
        copies = [] if "--tracking-uri" in words else ["--no-mlflow"]
        try:
            code = front.main([*map(str, words), *copies])
        except SystemExit as left:
            code = left.code
        return subprocess.CompletedProcess(words, code or 0, *capsys.readouterr())

    return run


def search_of(**changes):
    """The search of a plan, any field of which can be changed."""
    values = {
        "dataset": "synthetic",
        "draw": None,
        "partition": "scenario",
        "backbone": "dnn",
        "method": "plain",
        "num_trials": 2,
        "own_dimensions": (),
        "shared_dimensions": ("regularisers.dropout",),
    } | changes
    place = "{dataset}/{partition}/{backbone}+{method}".format(**values)
    return Search(**{"folder": f"tuning/{place}/0123456789ab"} | values)


@pytest.fixture(scope="session")
def make_search():
    """The function `search_of`."""
    return search_of


@pytest.fixture(scope="session")
def finished(run_all, tmp_path_factory):
    """Output folder and log of one finished smoke run of eight cells on the small log."""
    folder = tmp_path_factory.mktemp("finished")
    spec = write_tiny_log(folder)
    out = folder / "out"
    done = run_all(
        *("--preset", "smoke", "--data", spec, "--out", out, "--jobs", 2),
        *("--only", "main", "--backbones", "dnn", "dcnv2", "--methods", "plain", "adasparse"),
    )
    assert done.returncode == 0, done.stderr
    return out, spec, done


@pytest.fixture(scope="session")
def sample_report(run_all, tmp_path_factory):
    """A copy of the committed sample with its whole report, made once for all workers."""
    root = tmp_path_factory.getbasetemp()
    root = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root
    out = root / "sample"
    with locked(root / "sample.lock"):
        if not out.exists():
            half = root / "half"
            shutil.copytree(SAMPLE, half, ignore=shutil.ignore_patterns(*MADE))
            done = run_all("--report-only", "--out", half)
            assert (done.returncode, done.stderr) == (0, "")
            half.rename(out)
    return out


@pytest.fixture(scope="session")
def real_data():
    """A function that gives the path of a real log; the test is skipped where it is absent."""
    folder = Path(os.environ.get("CTR_REAL_DATA", ROOT.parent / "shared" / "data"))

    def find(name):
        if not (folder / name).exists():
            pytest.skip(f"no real log at {folder / name}: CTR_REAL_DATA names the folder of logs")
        return folder / name

    return find


@pytest.fixture(autouse=True)
def _own_kernels(request):
    """Torch's kernels before and after each test; what needs native ones is skipped without."""
    if request.node.get_closest_marker("native") and not library_path().is_file():
        pytest.skip("the native kernels are not built: make setup")
    yield
    use("torch")


@pytest.fixture(autouse=True)
def _own_path(monkeypatch):
    """Take away the code that loaded models put before ours, which later processes would find."""
    monkeypatch.setattr(sys, "path", [*sys.path])


@pytest.fixture(scope="session")
def _drawn():
    """The images of the one figure by its numbers: equal tables give equal images."""
    found = {}

    def rendered(figure, table, **options):
        key = (figure.draw, table.to_csv(), *options)
        if key not in found:
            found[key] = part.rendered(figure, table, **options)
        return found[key]

    return rendered


@pytest.fixture(autouse=True)
def _one_figure(monkeypatch, _drawn):
    """Reports that a test itself builds have one figure; those of module fixtures have all."""
    monkeypatch.setattr(build, "load_figures", lambda: {"fig1": fig1.FIGURE})
    monkeypatch.setattr(build, "rendered", _drawn)


@pytest.fixture
def all_figures(_one_figure, monkeypatch):
    """Verify all figures of a report, also in a test."""
    monkeypatch.setattr(build, "load_figures", load_figures)


@pytest.fixture
def light_tables(monkeypatch):
    """Leave out of reports the tables and the answer whose statistics take seconds."""
    slow = {"ceiling", "claims", "table1", "comparisons", "beside_paper"}
    tables = {name: table for name, table in build.load_tables().items() if name not in slow}
    monkeypatch.setattr(build, "load_tables", lambda: tables)
    monkeypatch.setattr(build, "answer", lambda *_: "")
    monkeypatch.setattr(build, "summary", lambda *_: "")
