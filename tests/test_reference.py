"""The committed sample: its whole report is built on a fresh clone, and nothing was edited."""

import shutil
from pathlib import Path

import pytest

from benchmark.store.plan import read_plan
from reports.build import load_figures, load_tables
from reports.verify import verify

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "reports" / "reference"
MADE = ("optuna", "report", ".lock", ".report.lock")  # by a report or a run, and not committed
MOST_BYTES = 12_000_000  # models of many rare ids among them


@pytest.fixture(scope="module")
def built(run_all, tmp_path_factory):
    """The report of a copy, and what was printed."""
    out = tmp_path_factory.mktemp("sample") / "reference"
    shutil.copytree(SAMPLE, out, ignore=shutil.ignore_patterns(*MADE))
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    return out, run_all("--report-only", "--out", out), size


def test_the_sample_is_small(built):
    _, _, size = built

    assert size < MOST_BYTES


def test_its_page_says_that_it_is_a_sample_and_shows_all(built):
    out, done, _ = built
    page = (out / "report" / "index.html").read_text()

    assert done.returncode == 0
    assert "This is a sample" in page
    assert not done.stderr
    drawn = {path.stem for path in (out / "report" / "figures").glob("*.png")}
    written = {path.stem for path in (out / "report" / "tables").glob("*.csv")}
    made = {study for study, slots in read_plan(out).studies.items() if slots}
    assert drawn == {name for name, one in load_figures().items() if made & {*one.studies}}
    # its preset searches once, and nothing was measured beside its runs
    with_runs = {name for name, one in load_tables().items() if made & {*one.studies}}
    assert written == with_runs - {"retuned", "pruning"}
    assert all(f'id="{name}"' in page for name in drawn | written)


@pytest.mark.usefixtures("all_figures")
def test_it_verifies(built):
    out, _, _ = built

    findings = verify(out)

    assert findings.differences == []
    assert min(findings.counts["figure cells"], findings.counts["table cells"]) > 500


def test_an_empty_folder_is_told_of_it(front_door, tmp_path):
    done = front_door("--report-only", "--out", tmp_path)

    assert done.returncode == 2
    assert "--out reports/reference" in done.stderr
