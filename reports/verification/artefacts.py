"""Tables and the numbers of figures, derived again from the runs and compared byte for byte."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from datasets.files import file_digest
from reports.build import ERROR, MANIFEST, error_file, load_parts, texts_of
from reports.reading.findings import Findings, is_close
from reports.reading.folders import files_below
from reports.reading.load import Runs
from reports.verification.scores import UNREADABLE

REPORT = "report"
PICTURES = (".pdf", ".png")  # of a figure, beside its CSV file
MOST_NAMED = 20  # differing cells of one table
ROUNDING = 1e-9  # relative: what the order of sums on another machine can make of a statistic


def check_report(runs: Runs, findings: Findings) -> None:
    """Check the report's tables, the numbers of its figures, and the digests of its files."""
    folder = findings.root / REPORT
    if not (folder / MANIFEST).is_file():
        findings.note(f"no {REPORT}/{MANIFEST}: there are no tables or figures to check")
        return
    expected: dict[str, str] = {}
    for name, part in load_parts().items():
        place = folder / error_file(name, part)
        if place.is_file():
            reason = place.read_text(encoding="utf-8").strip().splitlines()[-1]
            findings.differences.append(f"{findings.name_of(place)}: {name} failed: {reason}")
            continue
        try:
            numbers = part.tabulate(runs)
            expected |= {} if numbers.empty else texts_of(name, part, numbers)
        except Exception as error:  # whatever one part raises, the others can be checked
            findings.damaged(place, error)
    for name, text in expected.items():
        _check_text(folder / name, text, findings)
    _name_others(folder, expected, findings)
    _check_manifest(folder, findings)


def _name_others(folder: Path, expected: Collection[str], findings: Findings) -> None:
    """Name what is neither a table nor a figure with numbers of its own."""
    for part in ("tables", "figures"):
        for path in files_below(folder / part):
            name = path.relative_to(folder)
            is_drawn = path.suffix in PICTURES and name.with_suffix(".csv").as_posix() in expected
            if name.as_posix() not in expected and not is_drawn and not path.name.endswith(ERROR):
                findings.foreign(path)


def _check_text(path: Path, text: str, findings: Findings) -> None:
    """Compare a file with what it should be: a CSV file cell by cell, others line by line."""
    is_csv = path.suffix == ".csv"
    if is_csv:
        kind = "figure cells" if path.parent.name == "figures" else "table cells"
        findings.counts[kind] += sum(map(len, _cells(text)[1:]))
    try:
        stored = path.read_bytes().decode()
    except UNREADABLE as error:
        findings.damaged(path, error)
        return
    if stored == text:
        return
    compare = _differing_cells if is_csv else _differing_lines
    found = list(itertools.islice(compare(stored, text), MOST_NAMED + 1))
    for what, left, right in found[:MOST_NAMED]:
        findings.differs(path, what, left, right)
    if len(found) > MOST_NAMED:
        findings.differs(path, "more of it", "other text", "and so on")
    if not found:
        findings.note(
            f"{findings.name_of(path)}: the bytes differ, but no number by more than {ROUNDING:g}"
            " of it"
        )


def _cells(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def _differing_cells(stored: str, text: str) -> Iterator[tuple[str, str, str]]:
    """Position, stored and expected text of every cell that is another value."""
    left, right = _cells(stored), _cells(text)
    heads = [rows[0] if rows else [] for rows in (left, right)]
    if len(left) != len(right) or heads[0] != heads[1]:
        shapes = [f"{len(rows) - 1} rows of {', '.join(rows[0])}" for rows in (left, right)]
        yield "table", shapes[0], shapes[1]
        return
    for number, rows in enumerate(zip(left, right, strict=True)):
        for column, pair in zip(heads[1], itertools.zip_longest(*rows, fillvalue=""), strict=False):
            if not is_close(_number(pair[0]), _number(pair[1]), ROUNDING):
                yield f"row {number} {column}", pair[0] or "nothing", pair[1] or "nothing"


def _differing_lines(stored: str, text: str) -> Iterator[tuple[str, str, str]]:
    pairs = itertools.zip_longest(stored.splitlines(), text.splitlines(), fillvalue="")
    for number, (left, right) in enumerate(pairs, 1):
        if left != right:
            yield f"line {number}", repr(left), repr(right)


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _check_manifest(folder: Path, findings: Findings) -> None:
    """Check that every file of the report is as it was written."""
    path = folder / MANIFEST
    try:
        digests: Mapping[str, str] = json.loads(path.read_text(encoding="utf-8"))["files"]
        names = sorted(digests)
    except (TypeError, *UNREADABLE) as error:
        findings.damaged(path, error)
        return
    for name in names:
        file = folder / name
        digest = file_digest(file) if file.is_file() else "no such file"
        findings.compare(path, f"digest of {name}", digests[name], digest)
