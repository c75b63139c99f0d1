"""Guesses how the text files of an unknown log are laid out: separator, quotes and header."""

from __future__ import annotations

import csv
import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from datasets.raw.kinds import open_bytes
from datasets.raw.text import LONE_RETURNS, TextTable, quoting
from datasets.spec import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SEPARATORS = "\t,;|\x01 "  # a space comes last: it stands within values too
NEVER_TEXT = "\t\x01"  # stand within no value
HEAD_BYTES = 1 << 20
HEAD_LINES = 200
MANY_COLUMNS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class TextLayout:
    """The layout of all text files of a log.

    `columns` are invented names where the first line is data, and `ground` says why it is.
    `numbered` says that a first line with numbers is taken for a header, `misfit` why quotes are
    taken for plain characters.
    """

    separator: str = ","
    quote: str = '"'
    columns: tuple[str, ...] = ()
    ground: str = ""
    numbered: bool = False
    misfit: str = ""

    def open(self, path: Path) -> TextTable:
        """A file of this layout."""
        return TextTable.open(path, self.separator, self.columns, self.quote)


def guess_layout(paths: Sequence[Path]) -> TextLayout:
    """The layout by the first lines of the first file that has more than one.

    Raises:
        DataError: no separator fits these lines.
    """
    heads = ((path, _head(path)) for path in paths)
    path, lines = next((head for head in heads if len(head[1]) > 1), (paths[0], _head(paths[0])))
    if not lines:
        raise DataError(f"{path}: the file has no line of text; a log has one row a line")
    for quote in ('"', ""):
        by_mark = {mark: _records(lines, mark, quote) for mark in SEPARATORS}
        widths = {mark: _width(records) for mark, records in by_mark.items()}
        never_text = [mark for mark in NEVER_TEXT if widths[mark] > 1]
        separator = max(never_text or widths, key=widths.__getitem__)
        if widths[separator] < 2:
            continue
        first, *rows = by_mark[separator]
        layout = TextLayout(separator=separator)
        if not quote and not _means_quotes(lines[0], separator):
            layout = replace(layout, quote="", misfit="no separator fits the first lines")
        return _with_names(layout, first, rows)
    raise _no_fit(path, lines)


def _with_names(layout: TextLayout, first: list[str], rows: list[list[str]]) -> TextLayout:
    """The layout with invented names unless the first line is a header."""
    has_numbers = any(map(_is_number, first))
    if has_numbers and _is_header(first, rows):
        return replace(layout, numbered=True)
    if not has_numbers and not _comes_again(first, rows):
        return layout
    ground = "holds numbers" if has_numbers else "holds values that come again below it"
    names = tuple(f"c{place + 1}" for place in range(len(first)))
    return replace(layout, columns=names, ground=f"the first line {ground}")


def _no_fit(path: Path, lines: list[str]) -> DataError:
    """The error of lines of different lengths, with the first that differs from most others."""
    if place := next((place for place, line in enumerate(lines, 1) if "\r" in line), 0):
        return DataError(f"{path} line {place}: {LONE_RETURNS}")
    for separator in SEPARATORS:
        widths = list(map(len, _records(lines, separator, "")))
        usual = max(widths, key=widths.count)
        if usual > 1 and len(widths) / 2 < widths.count(usual) < len(widths):
            place = next(place for place, width in enumerate(widths) if width != usual)
            return DataError(
                f"{path}: line {lines[place][:80]!r} has {widths[place]} values separated by"
                f" {separator!r}, most of the first {len(lines)} lines have {usual}; repair or"
                " remove it"
            )
    return DataError(
        f"{path}: no separator splits its first {len(lines)} lines into equally many values;"
        f" tried {', '.join(map(repr, SEPARATORS))}; is this a table with one row a line?"
    )


def open_all(paths: Sequence[Path], layout: TextLayout) -> tuple[TextLayout, list[TextTable]]:
    """The layout after a check of every line, and the files in it.

    Where quotes join lines or stand within values, and every line fits without them, they are plain
    characters. A file whose first line has a quoted value means them.

    Raises:
        DataError: a header cannot be read.
    """
    tables = [layout.open(path) for path in paths]
    firsts = ("".join(_head(path)[:1]) for path in paths)
    if not (misfit := _misfit(tables)) or any(
        _means_quotes(first, layout.separator) for first in firsts
    ):
        return layout, tables
    plain = replace(layout, quote="", misfit=misfit)
    others = [plain.open(path) for path in paths]
    return (layout, tables) if _misfit(others) else (plain, others)


def _misfit(tables: Sequence[TextTable]) -> str:
    """The first fault or remark in the lines of files; empty without one."""
    try:
        return next(filter(None, (table.remark for table in tables)), "")
    except DataError as error:
        return str(error)


def _head(path: Path) -> list[str]:
    """The first whole lines of a text file."""
    with open_bytes(path) as stream:
        content = stream.read(HEAD_BYTES)
    lines = content.decode("utf-8-sig", errors="replace").split("\n")
    if len(content) == HEAD_BYTES and len(lines) > 1:
        lines = lines[:-1]
    return [line.removesuffix("\r") for line in lines if line.strip()][:HEAD_LINES]


def _records(lines: list[str], separator: str, quote: str) -> list[list[str]]:
    """The values of every line; the last record may be cut, so it counts among two at most."""
    reader = csv.reader(
        (line.replace("\r", " ") for line in lines), delimiter=separator, quoting=quoting(quote)
    )
    records = [values for values in reader if values]
    return records[:-1] if len(records) > 2 else records


def _width(records: list[list[str]]) -> int:
    """Values of every record, 0 if they differ."""
    widths = set(map(len, records))
    return widths.pop() if len(widths) == 1 else 0


def _means_quotes(line: str, separator: str) -> bool:
    """True of a line with a value that is quoted as a whole."""
    mark = re.escape(separator)
    return re.search(rf'(?:^|{mark})\s*"(?:[^"]|"")*"\s*(?:{mark}|$)', line) is not None


def _comes_again(first: list[str], rows: list[list[str]]) -> bool:
    """True of a first line of texts of which several stand in the columns below, but not all."""
    columns = [set(map(str.strip, column)) for column in zip(*rows, strict=True)]
    num_again = sum(
        bool(name.strip()) and name.strip() in values
        for name, values in zip(first, columns, strict=False)
    )
    return 1 < num_again < len(first)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _is_header(first: list[str], rows: list[list[str]]) -> bool:
    """True of a first line with numbers that names columns: its values are all different.

    A count of the columns is a header above many columns, above texts, or if none of its numbers
    comes again in the column below it. Another line has a text above numbers or a third value above
    two, and stands above none of at most two values; if it is of numbers alone, none comes again.
    """
    first = [name.strip() for name in first]
    if len(set(first)) < len(first):
        return False
    counts = first in ([str(place + start) for place in range(len(first))] for start in (0, 1))
    if counts and len(first) >= MANY_COLUMNS:  # no row of data counts so far
        return True
    columns = [set(map(str.strip, column)) for column in zip(*rows, strict=True)]
    pairs = list(zip(first, columns, strict=False))
    is_repeated = any(name in values for name, values in pairs)
    if counts:
        is_over_text = any(values and not any(map(_is_number, values)) for values in columns)
        return len(first) > 2 and (is_over_text or not is_repeated)
    if all(map(_is_number, first)) and is_repeated:
        return False
    return _names_numbers(pairs)


def _names_numbers(pairs: list[tuple[str, set[str]]]) -> bool:
    """True if the values below a first line tell that it is none of them."""
    if any(len(values) <= 2 and name in values for name, values in pairs):
        return False
    return any(
        len(values) == 2 or (name and not _is_number(name) and all(map(_is_number, values)))
        for name, values in pairs
    )
