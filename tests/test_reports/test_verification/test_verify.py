"""The command: what it counts, its exit codes, and what it refuses."""

from __future__ import annotations

import json
import re
import zipfile
from typing import TYPE_CHECKING

import pytest

from reports.verify import main, verify

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Store


def test_verify_of_a_sound_store_counts_what_it_checked(reported: Store, capsys) -> None:
    code = main([str(reported.out)])

    last = capsys.readouterr().out.splitlines()[-1]
    assert code == 0
    assert re.match(r"0 differences; checked 8 runs, \d{3} metrics, 40 domains, 8 trials, ", last)
    assert " 0 table cells" not in last


def test_verify_writes_nothing(store: Store) -> None:
    before = {path: path.stat().st_mtime_ns for path in store.out.rglob("*")}

    verify(store.out)

    assert {path: path.stat().st_mtime_ns for path in store.out.rglob("*")} == before


def test_verify_of_what_is_no_store_is_one_line(tmp_path: Path, capsys) -> None:
    (tmp_path / "damaged.zip").write_bytes(b"PK\x03\x04 and no more")
    for path in (tmp_path, tmp_path / "absent", tmp_path / "damaged.zip"):
        code = main([str(path)])

        captured = capsys.readouterr()
        assert code == 2
        assert captured.out == ""
        assert captured.err.startswith("python -m reports.verify: error: ")
        assert captured.err.count("\n") == 1


def test_verify_of_another_schema_is_bad_input(store: Store, capsys) -> None:
    path = store.out / "plan.json"
    content = json.loads(path.read_text()) | {"schema_version": 4}
    path.write_text(json.dumps(content))

    assert main([str(store.out)]) == 2
    assert "schema version 4" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["../escaped.txt", "/escaped.txt", "a/../../escaped.txt"])
def test_verify_unpacks_nothing_outside(tmp_path: Path, name: str, capsys) -> None:
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr(name, "out")

    assert main([str(tmp_path / "evil.zip")]) == 2
    assert "lies outside" in capsys.readouterr().err
