"""Opens delimited text and Parquet files lazily, as strings, and finds the line of a row."""

from __future__ import annotations

import csv
import difflib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import polars as pl
from polars import selectors

from datasets.raw.line_check import Survey, open_bytes, survey
from datasets.spec import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MAX_HEADER_BYTES = 1 << 20


@dataclass(frozen=True)
class TextTable:
    """One delimited text file; an empty value is missing."""

    path: Path
    separator: str
    columns: tuple[str, ...]
    has_header: bool = True

    @classmethod
    def open(cls, path: Path, separator: str = ",", columns: tuple[str, ...] = ()) -> TextTable:
        """Read the first line only; `columns` name those of a file without a header.

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
        """The row count, after a check of every line."""
        return survey(self.path, self.separator, len(self.columns), has_header=self.has_header)

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

    def locate(self, row: int) -> str:
        """The file and line of a 0-based row."""
        return f"{self.path} line {row + 1}"

    @cached_property
    def _frame(self) -> pl.DataFrame:
        lines = pl.Series("line", _lines(self.path))
        parts = lines.str.split(self.separator)
        wrong = parts.list.len() != len(self.columns)
        if wrong.any():
            row = int(wrong.arg_max() or 0)
            raise DataError(
                f"{self.locate(row)}: the line has {len(parts[row])} values separated by"
                f" {self.separator!r}, the release has {len(self.columns)}"
                f" ({', '.join(self.columns)}); fetch the file again"
            )
        values = parts.list.to_struct(fields=list(self.columns)).struct.unnest()
        return values.with_columns(pl.when(pl.all() != "").then(pl.all()))


@dataclass(frozen=True)
class ParquetTable:
    """One Parquet file; lists become text joined by their separator, all else plain text."""

    path: Path
    columns: tuple[str, ...]
    num_rows: int
    list_separators: tuple[tuple[str, str], ...] = ()

    @classmethod
    def open(cls, path: Path, list_separators: dict[str, str]) -> ParquetTable:
        """Read the metadata only.

        Raises:
            DataError: the file is not a Parquet file, or has no row.
        """
        try:
            columns = tuple(pl.read_parquet_schema(path))
            num_rows = int(pl.scan_parquet(path, glob=False).select(pl.len()).collect().item())
        except pl.exceptions.PolarsError as error:
            reason = str(error).splitlines()[0]
            raise DataError(
                f"{path}: not a readable Parquet file ({reason}); write it again"
            ) from None
        if not num_rows:
            raise DataError(f"{path}: the file has no row; at least one is needed")
        return cls(path, columns, num_rows, tuple(list_separators.items()))

    def scan(self) -> pl.LazyFrame:
        """All rows in file order; lists as text, times with a zone as UTC without one."""
        frame = pl.scan_parquet(self.path, glob=False)
        schema = frame.collect_schema()
        lists = [
            pl.col(name).cast(pl.List(pl.String)).list.join(separator)
            for name, separator in self.list_separators
            if isinstance(schema.get(name), pl.List)
        ]
        zoned = selectors.datetime(time_zone="*")
        return frame.with_columns(
            *lists, zoned.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        )

    def locate(self, row: int) -> str:
        """The file and line of a 0-based row."""
        return f"{self.path} row {row + 1}"


Table = TextTable | ParquetTable


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
        DataError: another needed column is missing; the message lists close matches.
    """
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
    return tuple(next(csv.reader([text], delimiter=separator)))


def _lines(path: Path) -> list[str]:
    """The lines of a file in Latin-1, without the blank ones at the end."""
    with open_bytes(path) as stream:
        text = stream.read().decode("latin-1")
    lines = text.rstrip("\r\n").replace("\r\n", "\n").split("\n")
    if lines == [""]:
        raise DataError(f"{path}: the file is empty; fetch it again")
    return lines
