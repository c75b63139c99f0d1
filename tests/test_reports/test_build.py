"""The report as files: complete, self-contained, honest about gaps, rebuilt only when needed."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from reports import tables
from reports.build import build, failed_parts, load_tables
from reports.figures import fig1
from reports.reading.load import load_runs
from reports.tables import cost, coverage
from reports.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Folder

ROOT = Path(__file__).resolve().parents[2]
FIELDS = "FIELDS = ['title', 'section', 'position', 'study', 'tabulate']"
FORBIDDEN = (
    "torch",
    "optuna",
    "mlflow",
    "models.interfaces",
    "models.registry",
    "datasets.prepare",
    "benchmark.running.network_run",
)


class Tags(HTMLParser):
    """Collects the tags of a page and what they point to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.targets: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.targets += [value for key, value in attrs if key in ("href", "src") and value]


def files_of(out: Path) -> dict[str, tuple[bytes, int]]:
    files = [path for path in (out / "report").rglob("*") if path.is_file()]
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def test_build_writes_the_page_and_every_table(studied: Folder) -> None:
    page = build(studied.store.out)

    written = {path.name for path in (page.parent / "tables").iterdir()}
    assert page == studied.store.out / "report" / "index.html"
    without = {
        "beside_paper",
        "draws",
        "masks",
        "over_logs",
        "pruning",
        "sensitivity",
    }  # this store has nothing for them
    made = set(load_runs(studied.store.out).studies)
    with_runs = {name for name, one in load_tables().items() if made & {*one.studies}} - without
    assert written == {f"{name}.{kind}" for name in with_runs for kind in ("csv", "md", "tex")}
    drawn = {path.name for path in (page.parent / "figures").iterdir()}
    assert drawn == {f"fig1.{kind}" for kind in ("csv", "pdf", "png")}
    frame = pd.read_csv(page.parent / "tables" / "table1.csv")
    assert len(frame) == 4  # three methods and the ceiling
    assert not list(page.parent.rglob("*.part"))


@pytest.mark.usefixtures("light_tables")
def test_page_is_self_contained(finished: Folder) -> None:
    page = build(finished.store.out)

    tags = Tags(page.read_text(encoding="utf-8"))

    assert tags.tags.isdisjoint({"iframe", "object"})
    for target in tags.targets:
        assert target.startswith(("#", "data:")) or (page.parent / target).exists()


@pytest.mark.usefixtures("light_tables")
def test_page_says_that_data_are_synthetic_only_when_they_are(finished: Folder) -> None:
    with_truth = build(finished.store.out).read_text(encoding="utf-8")
    finished.write_data(with_truth=False)
    without = build(finished.store.out).read_text(encoding="utf-8")

    assert "<span>synthetic</span>" in with_truth
    assert "<span>synthetic</span>" not in without


@pytest.mark.usefixtures("light_tables")
def test_page_says_how_rows_were_split_and_capped(finished: Folder) -> None:
    finished.write_data(split_kind="shuffle", dropped=1234)

    text = build(finished.store.out).read_text(encoding="utf-8")

    assert "seeded shuffle" in text
    assert "1,234 others take no part" in text
    assert "bags keep their first N tokens: tags 4" in text
    assert "<dt>embedding_optimizer</dt><dd>sparse</dd>" in text


@pytest.mark.usefixtures("light_tables")
def test_page_warns_of_runs_from_different_places(finished: Folder) -> None:
    alike = build(finished.store.out).read_text(encoding="utf-8")
    finished.run(finished.config("dnn", "plain", 1), device="cuda:0")

    mixed = build(finished.store.out).read_text(encoding="utf-8")

    assert "Mixed runs" not in alike
    assert "Mixed runs:" in mixed
    assert "device (cpu, cuda:0)." in mixed


@pytest.mark.usefixtures("light_tables")
def test_page_warns_of_runs_by_different_kernels(finished: Folder) -> None:
    path = finished.store.run_folder(finished.config("dnn", "plain", 1)) / "record.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    record["environment"]["kernels"] = "native"
    path.write_text(json.dumps(record), encoding="utf-8")

    assert "kernels (" in build(finished.store.out).read_text(encoding="utf-8")


@pytest.mark.usefixtures("light_tables")
def test_page_warns_of_rows_in_different_orders_on_one_log(finished: Folder) -> None:
    paths = sorted(finished.store.out.rglob("record.json"))

    def page_of(paths: list[Path]) -> str:
        for path in paths:
            record = json.loads(path.read_text(encoding="utf-8"))
            record["environment"]["row_order"] = "blocks"
            path.write_text(json.dumps(record), encoding="utf-8")
        return build(finished.store.out).read_text(encoding="utf-8")

    assert "row order (blocks, exact)" in page_of(paths[:1])
    assert "row order (" not in page_of(paths)


def test_page_of_the_smoke_preset_warns(folder: Folder) -> None:
    folder.preset = "smoke"
    folder.finish(folder.plan())

    assert "not which method is better" in build(folder.store.out).read_text("utf-8")


@pytest.mark.usefixtures("light_tables")
def test_page_of_a_half_finished_grid_lists_failed_and_missing(folder: Folder) -> None:
    done, failed, *_ = folder.plan()
    folder.run(done)
    folder.store.write_error(failed, "NonFiniteLossError: the loss is nan", "Traceback")
    folder.write_data()

    text = build(folder.store.out).read_text(encoding="utf-8")

    assert "1 of 12 runs are finished" in text
    assert "failed runs: 1, missing runs: 10" in text
    assert "NonFiniteLossError: the loss is nan" in text
    assert "Traceback" not in text


@pytest.mark.usefixtures("light_tables")
def test_build_leaves_a_current_report_alone(finished: Folder) -> None:
    build(finished.store.out)
    before = files_of(finished.store.out)

    build(finished.store.out)

    assert files_of(finished.store.out) == before


def test_build_follows_a_changed_record(finished: Folder) -> None:
    page = build(finished.store.out)
    before = page.read_text(encoding="utf-8")

    finished.run(finished.config("dnn", "plain", 1), auc=0.1234)
    build(finished.store.out)

    assert page.read_text(encoding="utf-8") != before


@pytest.mark.usefixtures("light_tables")
@pytest.mark.parametrize("name", ["index.html", "tables/cost.md"])
def test_build_repairs_a_file_that_was_changed(finished: Folder, name: str) -> None:
    path = build(finished.store.out).parent / name
    before = path.read_text(encoding="utf-8")
    path.write_text("edited", encoding="utf-8")

    build(finished.store.out)

    assert path.read_text(encoding="utf-8") == before


@pytest.mark.usefixtures("light_tables")
@pytest.mark.parametrize(
    "text", ["", "[]", "7", "{}", '{"files": {}}', '{"input": "x"}', '{"input": "x", "files": [3]}']
)
def test_build_takes_a_broken_manifest_for_none(finished: Folder, text: str) -> None:
    path = build(finished.store.out).parent / "manifest.json"
    before = path.read_text(encoding="utf-8")
    path.write_text(text, encoding="utf-8")

    build(finished.store.out)

    assert path.read_text(encoding="utf-8") == before


@pytest.mark.usefixtures("light_tables")
def test_build_removes_tables_that_are_gone(finished: Folder) -> None:
    page = build(finished.store.out)
    finished.plan(seeds=(4,))  # none of these has run

    build(finished.store.out)

    assert "0 of 4 runs are finished" in page.read_text(encoding="utf-8")
    assert not list((page.parent / "tables").iterdir())


class Broken:
    """Makes the table `coverage`, or the drawing of figure 1, fail as long as it is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_set = True
        figure = replace(fig1.FIGURE, draw=self.failing(fig1.FIGURE.draw))
        table = replace(coverage.TABLE, tabulate=self.failing(coverage.TABLE.tabulate))
        monkeypatch.setattr("reports.build.load_figures", lambda: {"fig1": figure})
        tables = {"coverage": table, "cost": cost.TABLE}
        monkeypatch.setattr("reports.build.load_tables", lambda: tables)

    def failing(self, function: Callable) -> Callable:
        def call(*arguments: object) -> object:
            if self.is_set:
                raise ZeroDivisionError("no\ncolumn <x>")
            return function(*arguments)

        return call


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Broken:
    return Broken(monkeypatch)


def test_a_part_that_fails_costs_its_own_section(
    finished: Folder, broken: Broken, caplog: pytest.LogCaptureFixture
) -> None:
    page = build(finished.store.out)

    line = "coverage failed and is left out (ZeroDivisionError: no column <x>); the traceback is in"
    text = page.read_text(encoding="utf-8")
    assert line.replace("<x>", "&lt;x&gt;") in text
    assert f"{line} report/tables/coverage.error.txt" in caplog.messages
    assert "in call" in (page.parent / "figures" / "fig1.error.txt").read_text()
    assert 'id="cost"' in text
    assert 'id="coverage"' not in text
    assert [line.split()[0] for line in failed_parts(finished.store.out)] == ["fig1", "coverage"]


def test_a_part_that_failed_is_made_once_it_can_be(finished: Folder, broken: Broken) -> None:
    page = build(finished.store.out)
    broken.is_set = False

    build(finished.store.out)

    assert failed_parts(finished.store.out) == []
    assert "failed and is left out" not in page.read_text(encoding="utf-8")
    assert not list(page.parent.rglob("*.error.txt"))
    assert (page.parent / "figures" / "fig1.png").is_file()


def test_a_part_that_failed_shows_in_the_exit_code(
    finished: Folder, broken: Broken, front_door: Callable
) -> None:
    done = front_door("--report-only", "--out", finished.store.out)
    failed = [line for line in verify(finished.store.out).differences if "failed" in line]

    assert done.returncode == 1
    assert "2 problems. First: fig1 failed" in done.stdout
    assert "report/tables/coverage.error.txt: coverage failed: " in failed[0] + failed[1]


def test_reports_import_nothing_heavy() -> None:
    imports = "import sys, reports.build, reports.verify"
    check = f"{imports}; print(*(set(sys.modules) & set({FORBIDDEN!r})))"

    result = subprocess.run(
        [sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert result.stdout.strip() == ""


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            "TABLE = Table(**dict.fromkeys(FIELDS))",
            "missing 1 required keyword-only argument: 'a",
        ),
        ("TABLES = []", "has no attribute 'TABLE'"),
        ("import no_such_package", "No module named 'no_such_package'"),
    ],
)
def test_a_broken_part_is_one_line_before_the_first_run(
    front_door: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    content: str,
    reason: str,
) -> None:
    (tmp_path / "broken.py").write_text(
        f"from reports.look.table import Table\n{FIELDS}\n{content}\n"
    )
    monkeypatch.delitem(sys.modules, "reports.tables.broken", raising=False)
    monkeypatch.setattr(tables, "__path__", [*tables.__path__, str(tmp_path)])

    done = front_door("--preset", "smoke", "--out", tmp_path / "out")

    assert done.returncode == 2
    assert done.stderr.startswith("run_all.py: error: reports/tables/broken.py: ")
    assert reason in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.glob("out/runs"))
