"""A method, a backbone, a data set, a figure, a study and a metric of one's own: one file each.

The files of `tests/foreign` are correct ones, as a newcomer writes them. A copy of the repository
gets them, and nothing else in it changes: its quick suite passes, and a run has them all.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import ROOT, copy_repository

FOREIGN = ROOT / "tests" / "foreign"
FILES = sorted(path.relative_to(FOREIGN) for path in FOREIGN.rglob("*.py"))
LOG_ROWS = 400
pytestmark = pytest.mark.slow  # a whole suite, and a run


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository with the foreign files in it."""
    folder = copy_repository(tmp_path_factory.mktemp("foreign") / "copy")
    for name in FILES:
        assert not (folder / name).exists()
        shutil.copy(FOREIGN / name, folder / name)
    return folder


def run(folder: Path, *words: object) -> str:
    """The output of Python in the copy; it must end well."""
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    return done.stdout


def test_one_file_of_each_kind_is_tried() -> None:
    folders = [path.parent.as_posix() for path in FILES]

    assert set(folders) == {
        *("models/methods", "models/backbones", "datasets/catalog"),
        *("reports/figures", "reports/tables", "benchmark/planning/studies", "benchmark/metrics"),
    }
    assert folders.count("models/methods") == 2  # one of them adapts for evaluation
    assert len(FILES) == len(set(folders)) + 1


def test_whole_suite_passes_with_foreign_files(copy: Path) -> None:
    options = ("-m", "not slow", "-n", "2", "--dist", "loadfile", "-q", "-p", "no:cacheprovider")
    browser = "tests/test_reports/test_page_browser.py"  # takes long, and shows none of the files

    run(copy, "-m", "pytest", *options, "--ignore", browser)


@pytest.fixture(scope="module")
def out(copy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of a run with the foreign files."""
    raw, out = tmp_path_factory.mktemp("raw"), tmp_path_factory.mktemp("made") / "out"
    rows = (f"{i % 3},{i % 7},{i},{int(i * 7 % 11 < 3)}" for i in range(LOG_ROWS))
    (raw / "foreign.csv").write_text("\n".join(["place,item,time,is_click", *rows]) + "\n")

    run(
        copy,
        *("run_all.py", "--preset", "smoke", "--data", "foreign_log", "--data-dir", raw),
        *("--backbones", "foreign_wide", "--out", out, "--methods", "plain", "star"),
        *("foreign_shift", "foreign_prior", "--trials", "0", "--only", "main,foreign_bars"),
    )

    return out


def shown(out: Path, name: str) -> list[dict[str, str]]:
    """The rows of a table as its Markdown file shows them, but headings of blocks."""
    text = (out / "report" / "tables" / f"{name}.md").read_text(encoding="utf-8")
    lines = [line.strip("| ") for line in text.splitlines() if line.startswith("|")]
    heads, _, *rows = (re.split(r" \| ", line) for line in lines)
    return [dict(zip(heads, row, strict=True)) for row in rows if not row[0].startswith("**")]


def test_a_run_has_all_of_them(copy: Path, out: Path) -> None:
    table = pd.read_csv(out / "report" / "tables" / "table1.csv")
    assert set(table["backbone"]) == {"foreign_wide"}
    assert {"foreign_shift", "foreign_prior"} <= set(table["method"])
    assert table["foreign_brier_mean"].between(0.0, 1.0).all()
    assert (out / "report" / "figures" / "foreign_bars.png").is_file()
    assert (out / "report" / "tables" / "foreign_scores.md").is_file()
    page = (out / "report" / "index.html").read_text(encoding="utf-8")
    assert "+Shift" in page
    assert "Brier" in page
    run(copy, "-m", "reports.verify", out)


@pytest.mark.parametrize(
    ("name", "column", "heading"),
    [
        ("table1", "foreign_brier_delta_mean", "Δ Brier"),
        ("foreign_scores", "foreign_brier_delta_plain_mean", "Δ plain Brier"),
    ],
)
def test_differences_of_the_metric_are_shown_in_its_unit(
    out: Path, name: str, column: str, heading: str
) -> None:
    kept = pd.read_csv(out / "report" / "tables" / f"{name}.csv")[column].dropna()

    texts = [row[heading].split(" ")[0] for row in shown(out, name) if row[heading].strip()]

    assert texts == [f"{1e5 * gap:+,.1f}".replace("-", "\N{MINUS SIGN}") for gap in kept]
    assert any(text.strip("+\N{MINUS SIGN}0.") for text in texts)
    notes = (out / "report" / "tables" / f"{name}.md").read_text(encoding="utf-8")
    assert "units of 0.0001 (" in notes
    assert "GAUC) and 0.00001 (Brier)" in notes
