"""The committed sample: its whole report is built on a fresh clone, and nothing was edited."""

import pytest

from benchmark.store.plan import read_plan
from reports.build import load_figures, load_tables
from reports.verify import verify

MOST_BYTES = 12_000_000  # models of many rare ids among them


def test_the_sample_is_small(sample_report):
    made = sample_report / "report"

    size = sum(
        path.stat().st_size
        for path in sample_report.rglob("*")
        if path.is_file() and made not in path.parents
    )

    assert 0 < size < MOST_BYTES


def test_its_page_says_that_it_is_a_sample_and_shows_all(sample_report):
    page = (sample_report / "report" / "index.html").read_text()

    assert "This is a sample" in page
    drawn = {path.stem for path in (sample_report / "report" / "figures").glob("*.png")}
    written = {path.stem for path in (sample_report / "report" / "tables").glob("*.csv")}
    made = {study for study, slots in read_plan(sample_report).studies.items() if slots}
    assert drawn == {name for name, one in load_figures().items() if made & {*one.studies}}
    # its preset searches once, and nothing was measured beside its runs
    with_runs = {name for name, one in load_tables().items() if made & {*one.studies}}
    assert written == with_runs - {"retuned", "pruning"}
    assert all(f'id="{name}"' in page for name in drawn | written)


@pytest.mark.usefixtures("all_figures")
def test_it_verifies(sample_report):
    findings = verify(sample_report)

    assert findings.differences == []
    assert min(findings.counts["figure cells"], findings.counts["table cells"]) > 500


def test_an_empty_folder_is_told_of_it(front_door, tmp_path):
    done = front_door("--report-only", "--out", tmp_path)

    assert done.returncode == 2
    assert "--out reports/reference" in done.stderr
