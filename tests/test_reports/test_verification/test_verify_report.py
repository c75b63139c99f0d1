"""One thing about the report is falsified at a time, and exactly that is named."""

from __future__ import annotations

import re
import shutil
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pandas as pd
import polars as pl
import pytest

from reports.verify import verify

if TYPE_CHECKING:
    from conftest import Store


def test_verify_names_a_cell_of_a_table(reported: Store) -> None:
    path = reported.out / "report" / "tables" / "table1.csv"
    frame = pl.read_csv(path, infer_schema_length=None)
    name = next(name for name in frame.columns if frame[name].dtype == pl.Float64)
    lines = path.read_text().splitlines()
    cells = lines[1].split(",")
    position = frame.columns.index(name)
    true, cells[position] = cells[position], "0.123"
    path.write_text("\n".join([lines[0], ",".join(cells), *lines[2:]]) + "\n")

    first, second = reported.differences()
    assert first == f"report/tables/table1.csv: row 1 {name}: stored 0.123, recomputed {true}"
    assert second.startswith("report/manifest.json: digest of tables/table1.csv: ")


@pytest.mark.parametrize("kind", ["md", "tex"])
def test_verify_names_a_line_of_a_table(reported: Store, kind: str) -> None:
    path = reported.out / "report" / "tables" / f"table1.{kind}"
    path.write_text("mine\n" + path.read_text().split("\n", 1)[1])

    first, second = reported.differences()
    assert first.startswith(f"report/tables/table1.{kind}: line 1: stored 'mine', ")
    assert second.startswith("report/manifest.json: digest of ")


def test_verify_names_a_number_of_a_figure(reported: Store, monkeypatch) -> None:
    numbers = pd.DataFrame({"method": ["plain", "star"], "gain": [0.0, 0.25]})
    figure = SimpleNamespace(tabulate=lambda _: numbers, section="cost", position=1)
    monkeypatch.setattr("reports.build.load_figures", lambda: {"fig9": figure})
    folder = reported.out / "report" / "figures"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "fig9.png").write_bytes(b"drawn")
    (folder / "fig9.csv").write_text("method,gain\nplain,0.0\nstar,0.5\n")
    (folder / "fig8.png").write_bytes(b"mine")

    lines = [line for line in reported.differences() if "manifest" not in line]
    assert lines[0] == "report/figures/fig9.csv: row 2 gain: stored 0.5, recomputed 0.25"
    assert [line.split(": ")[:2] for line in lines[1:]] == [
        ["report/figures/fig8.png", "foreign file"]
    ]


def test_verify_notes_another_last_digit(reported: Store) -> None:
    path = reported.out / "report" / "tables" / "table1.csv"
    path.write_text(re.sub(r"(0\.\d{14})\d+", r"\g<1>99", path.read_text(), count=1))

    findings = verify(reported.out)

    assert [line.split(":")[0] for line in findings.differences] == ["report/manifest.json"]
    assert "report/tables/table1.csv: the bytes differ, but no number" in findings.notes[0]


def test_verify_names_a_page_that_was_edited(reported: Store) -> None:
    path = reported.out / "report" / "index.html"
    path.write_text(path.read_text() + "<p>best</p>")

    (line,) = reported.differences()
    assert line.startswith("report/manifest.json: digest of index.html: stored ")
