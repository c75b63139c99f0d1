"""Delimited text and Parquet files: every line checked, rows read lazily as strings.

Every line of a text file is checked in one pass and bounded memory. Readers of CSV, pyarrow's and
Polars' among them, take blank lines, lines of nothing but separators and quotes within values for
data, and name no line where text is not UTF-8.
"""

from __future__ import annotations

import csv
import difflib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NoReturn

import numpy as np
import polars as pl
from polars import selectors

from datasets.raw.kinds import open_bytes
from datasets.spec import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

BLOCK_BYTES = 1 << 24
MAX_RECORD_BYTES = 1 << 26
NEWLINE, CARRIAGE_RETURN, QUOTE = b"\n"[0], b"\r"[0], b'"'[0]
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
MAX_HEADER_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Survey:
    """The number of data rows of a checked file, and whether a value runs over several lines."""

    num_rows: int
    has_multiline_values: bool


class _Surveyor:
    """The state of a survey: counts so far and the bytes of a record that a block cuts."""

    def __init__(self, table: TextTable) -> None:
        self.path = table.path
        self.separator = ord(table.separator)
        self.num_columns = len(table.columns)
        self.names = "the header names" if table.has_header else "the list of columns names"
        self.num_records = 0
        self.num_lines = 0
        self.num_blank = 0
        self.first_blank_line = 0
        self._carry = b""

    def feed(self, block: bytes) -> None:
        """Check all records that are complete with this block."""
        at_start = not self.num_lines and not self._carry
        data = self._carry + (block.removeprefix(BYTE_ORDER_MARK) if at_start else block)
        values = np.frombuffer(data, np.uint8)
        delimiters = np.flatnonzero((values == self.separator) | (values == NEWLINE))
        has_quotes = QUOTE in data
        if has_quotes:
            delimiters = self._outside_quotes(data, values, delimiters)
        ends = np.flatnonzero(values[delimiters] == NEWLINE)  # of delimiters: where records end
        cut = int(delimiters[ends[-1]]) + 1 if ends.size else 0
        if cut:
            self._check_text(data, cut)
            self._check_records(data, values, delimiters, ends)
            self.num_lines += data.count(b"\n", 0, cut) if has_quotes else int(ends.size)
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
            self._fail(0, self._carry, "a quote is opened and never closed; close it or double it")

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
            self._fail(
                int(starts[wrong[0]]),
                data,
                f"the line has {num_values[wrong[0]]} values, {self.names} {self.num_columns};"
                " repair or remove the line",
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
            self._fail(
                int(min(stray)),
                data,
                "a quote stands inside a value; quote the whole value and double it",
            )
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
    """One delimited text file; an empty value is missing."""

    path: Path
    separator: str
    columns: tuple[str, ...]
    has_header: bool = True

    @classmethod
    def open(cls, path: Path, separator: str = ",", columns: tuple[str, ...] = ()) -> TextTable:
        """Read the first line only, names without blanks around them.

        `columns` name those of a file without a header.

        Raises:
            DataError: the file is empty, its first line is no header, two columns share a name, or
                there are not as many `columns` as values.
        """
        with open_bytes(path) as stream:
            line = stream.readline(MAX_HEADER_BYTES)
        first = _first_line(path, line, separator)
        if columns and len(first) != len(columns):
            raise DataError(
                f"{path} line 1: the line has {len(first)} values, the list of columns names"
                f" {len(columns)}; correct the list or the separator"
            )
        if columns:
            return cls(path, separator, columns, has_header=False)
        repeated = sorted({column for column in first if first.count(column) > 1})
        if repeated:
            raise DataError(
                f"{path} line 1: columns named twice: {', '.join(repeated)}; every column needs a"
                " name of its own"
            )
        return cls(path, separator, first)

    def scan(self) -> pl.LazyFrame:
        """All rows in file order, every value a string; blank lines at the end are left out."""
        frame = pl.scan_csv(
            self.path,
            separator=self.separator,
            has_header=self.has_header,
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
        num_rows = surveyor.num_records - self.has_header
        if num_rows < 1:
            raise DataError(
                f"{self.path}: the file has {'a header but ' if self.has_header else ''}no data"
                " row; at least one line of data is needed"
            )
        return Survey(num_rows, surveyor.num_lines > surveyor.num_records + surveyor.num_blank)

    @property
    def num_rows(self) -> int:
        """Data rows, after a check of every line."""
        return self.survey.num_rows

    def locate(self, row: int) -> str:
        """The file and line of a 0-based data row."""
        if self.survey.has_multiline_values:
            return f"{self.path} data row {row + 1}"
        return f"{self.path} line {row + 1 + self.has_header}"


@dataclass(frozen=True)
class DecodedTable(TextTable):
    """One small text file of an older release, which is read whole when it is first needed.

    It is in Latin-1, without header and quotes, and its separator may be of any length.
    """

    @classmethod
    def open(cls, path: Path, separator: str = "::", columns: tuple[str, ...] = ()) -> DecodedTable:
        """Name the columns; nothing is read yet."""
        return cls(path, separator, columns, has_header=False)

    def scan(self) -> pl.LazyFrame:
        """All rows in file order, every value a string."""
        return self._frame.lazy()

    @cached_property
    def survey(self) -> Survey:
        """The row count, after a check of every line."""
        return Survey(len(self._frame), has_multiline_values=False)

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


@dataclass(frozen=True)
class ParquetTable:
    """One Parquet file; lists become text joined by their separator, all else plain text."""

    path: Path
    dtypes: dict[str, pl.DataType]
    num_rows: int
    list_separators: tuple[tuple[str, str], ...] = ()

    @classmethod
    def open(cls, path: Path, list_separators: dict[str, str]) -> ParquetTable:
        """Read the metadata only.

        Raises:
            DataError: the file is not a Parquet file, or has no row.
        """
        try:
            frame = pl.scan_parquet(path, glob=False)
            dtypes = dict(frame.collect_schema())
            num_rows = int(frame.select(pl.len()).collect().item())
        except pl.exceptions.PolarsError as error:
            reason = str(error).splitlines()[0]
            raise DataError(
                f"{path}: not a readable Parquet file ({reason}); write it again"
            ) from None
        if not num_rows:
            raise DataError(f"{path}: the file has no row; at least one is needed")
        return cls(path, dtypes, num_rows, tuple(list_separators.items()))

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(self.dtypes)

    def scan(self) -> pl.LazyFrame:
        """All rows in file order; lists as text, times with a zone as UTC without one."""
        lists = [
            named(name).cast(pl.List(pl.String)).list.join(separator)
            for name, separator in self.list_separators
            if isinstance(self.dtypes.get(name), pl.List)
        ]
        zoned = selectors.datetime(time_zone="*")
        return pl.scan_parquet(self.path, glob=False).with_columns(
            *lists, zoned.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        )

    def locate(self, row: int) -> str:
        """The file and line of a 0-based row."""
        return f"{self.path} row {row + 1}"


Table = TextTable | ParquetTable


def named(name: str) -> pl.Expr:
    """The column of exactly this name; `pl.col` takes `*` and names from ^ to $ for patterns."""
    return selectors.by_name(name).as_expr()


def is_pattern(name: str) -> bool:
    """True of names that Polars takes for a pattern even where they name a series."""
    return name.startswith("^") and name.endswith("$")


def check_folder(root: Path) -> None:
    """Raise a `DataError` unless `root` is a folder."""
    if not root.is_dir():
        problem = "is not a folder" if root.exists() else "does not exist"
        raise DataError(f"data folder {root} {problem}; name the folder that holds the raw files")


def require_columns(
    table: Table, needed: Iterable[str], optional: Iterable[str] = ()
) -> tuple[str, ...]:
    """The optional columns that a table lacks.

    Raises:
        DataError: another needed column is missing; the message lists close matches. Or the name of
            a needed column is a pattern.
    """
    for name in filter(is_pattern, needed):
        raise DataError(
            f"{table.path}: column {name!r} cannot be read, as its name from ^ to $ is a pattern;"
            " rename it in the header and where it is named"
        )
    missing = [name for name in needed if name not in table.columns]
    may_lack = set(optional)
    for name in missing:
        if name not in may_lack:
            close = difflib.get_close_matches(name, table.columns) or table.columns
            raise DataError(
                f"{table.path}: column {name!r} is missing; the closest names there:"
                f" {', '.join(close)}; correct the header or the separator"
            )
    return tuple(missing)


def _first_line(path: Path, line: bytes, separator: str) -> tuple[str, ...]:
    if not line.strip():
        state = "its first line is blank" if line else "the file is empty"
        raise DataError(f"{path}: {state}; a header line and data lines are needed")
    try:
        text = line.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        raise DataError(
            f"{path} line 1: the header is not UTF-8 text; save the file as UTF-8"
        ) from None
    if len(line) == MAX_HEADER_BYTES:
        raise DataError(
            f"{path} line 1: the header is longer than {MAX_HEADER_BYTES} bytes; is this a text"
            " file?"
        )
    return tuple(name.strip() for name in next(csv.reader([text], delimiter=separator)))


def _lines(path: Path) -> list[str]:
    """The lines of a file in Latin-1, without the blank ones at the end."""
    with open_bytes(path) as stream:
        text = stream.read().decode("latin-1")
    lines = text.rstrip("\r\n").replace("\r\n", "\n").split("\n")
    if lines == [""]:
        raise DataError(f"{path}: the file is empty; fetch it again")
    return lines
