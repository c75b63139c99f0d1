"""Delimited text: every line checked, rows read lazily as strings.

Every line of a text file is checked in one pass and bounded memory. Readers of CSV, pyarrow's and
Polars' among them, take blank lines, lines of nothing but separators and quotes within values for
data, and name no line where text is not UTF-8.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, BinaryIO, Literal, NoReturn

import numpy as np
import polars as pl

from datasets.raw.kinds import open_bytes
from datasets.raw.packed import plain_file
from datasets.spec import DataError

if TYPE_CHECKING:
    from pathlib import Path

BLOCK_BYTES = 1 << 24
MAX_RECORD_BYTES = 1 << 26
PROBE_BYTES = 1 << 16
NEWLINE, CARRIAGE_RETURN, QUOTE = b"\n"[0], b"\r"[0], b'"'[0]
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
MAX_HEADER_BYTES = 1 << 20
LONE_RETURN = re.compile(r"\r(?!\n)")
LONE_RETURNS = "carriage returns stand alone, as old line ends do; convert them to line ends (\\n)"
STRAY_QUOTE = (
    "a quote stands inside a value; quote the whole value and double it, or take quotes for plain"
    ' characters (quote = "" in a TOML file)'
)
OPEN_QUOTE = "a quote is opened and never closed; close it or double it"
csv.field_size_limit(MAX_RECORD_BYTES)


@dataclass(frozen=True, slots=True)
class Survey:
    """The number of data rows of a checked file.

    Quoted values of `num_long` rows run over several lines; the first such row begins in line
    `first_long`.
    """

    num_rows: int
    num_long: int = 0
    first_long: int = 0


class _Surveyor:
    """The state of a survey: counts so far and the bytes of a record that a block cuts."""

    def __init__(self, table: TextTable) -> None:
        self.path = table.path
        self.separator = ord(table.separator)
        self.num_columns = len(table.columns)
        self.names = "the header names" if table.header_lines else "the list of columns names"
        self.has_quotes = bool(table.quote)
        self.header_lines = table.header_lines
        self.num_records = 0
        self.num_lines = 0
        self.num_blank = 0
        self.first_blank_line = 0
        self.num_long = 0
        self.first_long = 0
        self._carry = b""

    def feed(self, block: bytes) -> None:
        """Check all records that are complete with this block."""
        at_start = not self.num_lines and not self._carry
        data = self._carry + (block.removeprefix(BYTE_ORDER_MARK) if at_start else block)
        values = np.frombuffer(data, np.uint8)
        delimiters = np.flatnonzero((values == self.separator) | (values == NEWLINE))
        has_quotes = self.has_quotes and QUOTE in data
        if has_quotes:
            delimiters = self._outside_quotes(data, values, delimiters)
        ends = np.flatnonzero(values[delimiters] == NEWLINE)  # of delimiters: where records end
        cut = int(delimiters[ends[-1]]) + 1 if ends.size else 0
        if cut:
            self._check_text(data, cut)
            self._check_records(data, values, delimiters, ends)
            num_lines = data.count(b"\n", 0, cut) if has_quotes else int(ends.size)
            if num_lines > ends.size:
                self._count_long(data, values[:cut], delimiters[ends])
            self.num_lines += num_lines
        self._carry = data[cut:]
        if len(self._carry) > MAX_RECORD_BYTES:
            self._fail(
                0,
                data,
                f"the record is longer than {MAX_RECORD_BYTES} bytes; is a quote left open?",
            )

    def finish(self) -> None:
        """Check the last record of a file without a line end."""
        if not self._carry:
            return
        self.feed(b"\n")
        if self._carry:
            self._fail(0, self._carry, OPEN_QUOTE)

    def _count_long(self, data: bytes, values: np.ndarray, stops: np.ndarray) -> None:
        """Count the rows that run over several lines; a header is none."""
        lines = np.searchsorted(stops, np.flatnonzero(values == NEWLINE))
        long = np.flatnonzero(np.bincount(lines, minlength=len(stops)) > 1)
        if self.header_lines and not self.num_lines:
            long = long[long > 0]
        if long.size and not self.num_long:
            end = int(stops[long[0] - 1]) + 1 if long[0] else 0
            self.first_long = self.num_lines + data.count(b"\n", 0, end) + 1
        self.num_long += int(long.size)

    def _check_records(
        self, data: bytes, values: np.ndarray, delimiters: np.ndarray, ends: np.ndarray
    ) -> None:
        stops = delimiters[ends]
        starts = np.concatenate(([0], stops[:-1] + 1))
        num_values = np.diff(ends, prepend=-1)
        lengths = stops - starts
        lengths = lengths - ((lengths > 0) & (values[stops - 1] == CARRIAGE_RETURN))
        is_blank = lengths == 0
        filled = np.flatnonzero(~is_blank)
        self._check_blanks(data, starts, is_blank, filled)
        wrong = filled[num_values[filled] != self.num_columns]
        if wrong.size:
            first = wrong[0]
            line = data[starts[first] : starts[first] + lengths[first]]
            is_cut = LONE_RETURN.search(line.decode())
            self._fail(
                int(starts[first]),
                data,
                f"the line has {num_values[first]} values, {self.names} {self.num_columns};"
                f" {LONE_RETURNS if is_cut else 'repair or remove the line'}",
            )
        void = filled[lengths[filled] == self.num_columns - 1]  # nothing but separators
        if void.size:
            self._fail(int(starts[void[0]]), data, "no value is filled in; remove the line")
        self.num_records += int(filled.size)

    def _check_blanks(
        self, data: bytes, starts: np.ndarray, is_blank: np.ndarray, filled: np.ndarray
    ) -> None:
        """Blank lines are fine at the end of a file only."""
        if self.num_blank and filled.size:
            self._fail_at_line(self.first_blank_line, "the line is blank; remove it")
        if not is_blank.any():
            return
        first = int(np.argmax(is_blank))
        if filled.size and filled[-1] > first:
            self._fail(int(starts[first]), data, "the line is blank; remove it")
        if not self.num_blank:
            self.first_blank_line = self.num_lines + data.count(b"\n", 0, int(starts[first])) + 1
        self.num_blank += int(is_blank.sum())

    def _outside_quotes(
        self, data: bytes, values: np.ndarray, delimiters: np.ndarray
    ) -> np.ndarray:
        quotes = np.flatnonzero(values == QUOTE)
        opening, closing = quotes[0::2], quotes[1::2]
        before = values[opening[opening > 0] - 1]
        after = values[closing[closing < len(values) - 1] + 1]
        edges = [self.separator, NEWLINE, CARRIAGE_RETURN, QUOTE]
        stray = [
            *opening[opening > 0][~np.isin(before, edges)][:1],
            *closing[closing < len(values) - 1][~np.isin(after, edges)][:1],
        ]
        if stray:
            self._fail(int(min(stray)), data, STRAY_QUOTE)
        return delimiters[np.searchsorted(quotes, delimiters) % 2 == 0]

    def _check_text(self, data: bytes, end: int) -> None:
        if data.isascii():
            return
        try:
            data[:end].decode("utf-8")
        except UnicodeDecodeError as error:
            self._fail(
                error.start,
                data,
                f"byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8",
            )

    def _fail(self, position: int, data: bytes, problem: str) -> NoReturn:
        self._fail_at_line(self.num_lines + data.count(b"\n", 0, position) + 1, problem)

    def _fail_at_line(self, line: int, problem: str) -> NoReturn:
        raise DataError(f"{self.path} line {line}: {problem}")


@dataclass(frozen=True)
class TextTable:
    """One delimited text file; an empty value is missing.

    Without a `quote` quotes are plain characters.
    """

    path: Path
    separator: str
    columns: tuple[str, ...]
    header_lines: int = 1
    quote: str = '"'

    @classmethod
    def open(
        cls, path: Path, separator: str = ",", columns: tuple[str, ...] = (), quote: str = '"'
    ) -> TextTable:
        """Read the first line only, names without blanks around them.

        `columns` name those of a file without a header.

        Raises:
            DataError: the file is empty, its first line is no header, two columns share a name, or
                there are not as many `columns` as values.
        """
        with open_bytes(path) as stream:
            record = _first_record(stream, quote)
        first = _first_values(path, record, separator, quote)
        if columns and len(first) != len(columns):
            raise DataError(
                f"{path} line 1: the line has {len(first)} values, the list of columns names"
                f" {len(columns)}; correct the list or the separator"
            )
        if columns:
            return cls(path, separator, columns, 0, quote)
        repeated = sorted({column for column in first if first.count(column) > 1})
        if repeated:
            raise DataError(
                f"{path} line 1: columns named twice: {', '.join(map(repr, repeated))}; every"
                " column needs a name of its own, blanks around it aside"
            )
        return cls(path, separator, first, record.rstrip(b"\r\n").count(b"\n") + 1, quote)

    def scan(self) -> pl.LazyFrame:
        """All rows in file order, every value a string; blank lines at the end are left out."""
        frame = pl.scan_csv(
            plain_file(self.path),
            separator=self.separator,
            has_header=self.header_lines > 0,
            quote_char=self.quote or None,
            new_columns=list(self.columns),
            infer_schema=False,
            glob=False,
        )
        return frame.filter(~pl.all_horizontal(pl.all().is_null()))

    @cached_property
    def survey(self) -> Survey:
        """The row count, after a check of every line.

        Raises:
            DataError: a line is malformed, blank, empty or not UTF-8, a quote is misplaced, the
                compressed stream is cut short, or there is no data row.
        """
        surveyor = _Surveyor(self)
        with open_bytes(self.path) as stream:
            while block := stream.read(BLOCK_BYTES):
                surveyor.feed(block)
            surveyor.finish()
        num_rows = surveyor.num_records - (self.header_lines > 0)
        if num_rows < 1:
            raise DataError(
                f"{self.path}: the file has {'a header but ' if self.header_lines else ''}no data"
                " row; at least one line of data is needed"
            )
        return Survey(num_rows, surveyor.num_long, surveyor.first_long)

    @property
    def num_rows(self) -> int:
        """Data rows, after a check of every line."""
        return self.survey.num_rows

    @property
    def remark(self) -> str:
        """The place where quoted values run over several lines; empty where none does."""
        survey = self.survey
        if not survey.num_long:
            return ""
        more = f", the first of {survey.num_long:,} that do" if survey.num_long > 1 else ""
        return f"{self.path} line {survey.first_long}: a quoted value runs over several lines{more}"

    def locate(self, row: int) -> str:
        """The file and line of a 0-based data row."""
        if self.survey.num_long:
            return f"{self.path} data row {row + 1}"
        return f"{self.path} line {row + 1 + self.header_lines}"


@dataclass(frozen=True)
class DecodedTable(TextTable):
    """One small text file of an older release, which is read whole when it is first needed.

    It is in Latin-1, without header and quotes, and its separator may be of any length.
    """

    @classmethod
    def open(
        cls, path: Path, separator: str = "::", columns: tuple[str, ...] = (), quote: str = ""
    ) -> DecodedTable:
        """Name the columns; nothing is read yet."""
        return cls(path, separator, columns, 0, quote)

    def scan(self) -> pl.LazyFrame:
        """All rows in file order, every value a string."""
        return self._frame.lazy()

    @cached_property
    def survey(self) -> Survey:
        """The row count, after a check of every line."""
        return Survey(len(self._frame))

    @cached_property
    def _frame(self) -> pl.DataFrame:
        lines = pl.Series("line", _lines(self.path))
        parts = lines.str.split(self.separator)
        wrong = parts.list.len() != len(self.columns)
        if wrong.any():
            row = int(wrong.arg_max() or 0)
            raise DataError(
                f"{self.path} line {row + 1}: the line has {len(parts[row])} values separated by"
                f" {self.separator!r}, the release has {len(self.columns)}"
                f" ({', '.join(self.columns)}); fetch the file again"
            )
        values = parts.list.to_struct(fields=list(self.columns)).struct.unnest()
        return values.with_columns(pl.when(pl.all() != "").then(pl.all()))


def has_rows(path: Path, *, has_header: bool, quote: str) -> bool:
    """True of a file with a line that is not blank, after a header if there is one."""
    with open_bytes(path) as stream:
        if has_header:
            _first_record(stream, quote)
        return any(part.strip() for part in iter(lambda: stream.read(PROBE_BYTES), b""))


def _first_record(stream: BinaryIO, quote: str) -> bytes:
    """The first line, or more of them where a quoted value holds line ends."""
    record = line = stream.readline(MAX_HEADER_BYTES)
    num_quotes = line.count(b'"')
    while quote and num_quotes % 2 and line:
        line = stream.readline(MAX_HEADER_BYTES - len(record))
        record += line
        num_quotes += line.count(b'"')
    return record


def _first_values(path: Path, record: bytes, separator: str, quote: str) -> tuple[str, ...]:
    if not record.strip():
        state = "its first line is blank" if record else "the file is empty"
        raise DataError(f"{path}: {state}; a header line and data lines are needed")
    try:
        text = record.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        raise DataError(
            f"{path} line 1: the header is not UTF-8 text; save the file as UTF-8"
        ) from None
    if quote and text.count(quote) % 2:
        raise DataError(f"{path} line 1: {OPEN_QUOTE}")
    try:
        values = next(csv.reader([text], delimiter=separator, quoting=quoting(quote)))
    except csv.Error:
        problem = LONE_RETURNS if LONE_RETURN.search(text) else STRAY_QUOTE
        raise DataError(f"{path} line 1: {problem}") from None
    if len(record) == MAX_HEADER_BYTES:
        raise DataError(
            f"{path} line 1: the header is longer than {MAX_HEADER_BYTES} bytes; is this a text"
            " file?"
        )
    return tuple(name.strip() for name in values)


def quoting(quote: str) -> Literal[0, 3]:
    """The rule of the csv module for text with or without quotes."""
    return csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE


def _lines(path: Path) -> list[str]:
    """The lines of a file in Latin-1, without the blank ones at the end."""
    with open_bytes(path) as stream:
        text = stream.read().decode("latin-1")
    lines = text.rstrip("\r\n").replace("\r\n", "\n").split("\n")
    if lines == [""]:
        raise DataError(f"{path}: the file is empty; fetch it again")
    return lines
