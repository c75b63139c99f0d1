"""The analysis plan: kept before the first run, and shown where it has changed since."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest

from benchmark.store.files import RecordError
from reports.analysis_plan import ANALYSIS, NAME, OWN, changes_since, digest, register
from reports.build import build
from reports.claims import verdicts
from reports.page.content import render_page
from reports.reading.exclusions import LEAST_ROWS, MOST_CAPPED
from reports.reading.load import load_runs

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Folder


def test_rules_are_those_of_the_file() -> None:
    assert ANALYSIS.levels.claim == verdicts.LEVEL == 0.05
    assert (verdicts.MARGIN, verdicts.NOTHING) == (0.001, 0.0005)
    assert (verdicts.LEAST_TRIALS, verdicts.LEAST_REPLICATES) == (10, 5)
    assert (MOST_CAPPED, LEAST_ROWS) == (0.2, 20)
    assert digest() == hashlib.sha256(OWN.read_bytes()).hexdigest()


def test_plan_is_kept_before_anything_is_planned_and_never_again(tmp_path: Path) -> None:
    early, late = tmp_path / "early", tmp_path / "late"
    register(early)
    (early / NAME).write_text("version = 0\n")
    late.mkdir()
    (late / "plan.json").write_text("{}")

    for out in (early, late):
        register(out)

    assert (early / NAME).read_text() == "version = 0\n"
    assert not (late / NAME).exists()


def test_changes_are_the_lines_that_differ(tmp_path: Path) -> None:
    assert changes_since(tmp_path) is None

    register(tmp_path)
    assert changes_since(tmp_path) == []

    text = OWN.read_text()
    (tmp_path / NAME).write_text(text.replace("equal = 0.001 ", "equal = 0.002 "))
    removed, added = changes_since(tmp_path) or []
    assert removed.startswith("-equal = 0.002")
    assert added.startswith("+equal = 0.001")


def test_unreadable_copy_is_named(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"\xff\xfe")

    with pytest.raises(RecordError, match=rf"{NAME}: cannot be read .*; restore the file"):
        changes_since(tmp_path)


@pytest.mark.usefixtures("light_tables")
def test_manifest_names_the_plan(finished: Folder) -> None:
    folder = build(finished.store.out).parent

    assert json.loads((folder / "manifest.json").read_text())["analysis_plan"] == digest()


def test_page_names_the_plan_and_shows_what_has_changed(finished: Folder) -> None:
    out, text = finished.store.out, OWN.read_text()

    page = render_page(load_runs(out), [])
    assert digest() in page
    assert "no copy was kept" in page

    (out / NAME).write_text(text)
    page = render_page(load_runs(out), [])
    assert "the same as when these runs were planned" in page
    assert "Analysis plan changed" not in page

    (out / NAME).write_text(text.replace("trials = 10 ", "trials = 3 "))
    page = render_page(load_runs(out), [])
    assert "Analysis plan changed" in page
    assert "<code>-trials = 3" in page
