"""Small text files of older releases: Latin-1, separators of any length, no header, no quotes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import polars as pl

from datasets.raw.line_check import DAMAGED_STREAM, Survey, open_bytes
from datasets.raw.tables import TextTable
from datasets.spec import DataError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class DecodedTable(TextTable):
    """A text file that is read whole when it is first needed."""

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
        """Where the 0-based row stands."""
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


def _lines(path: Path) -> list[str]:
    """The lines without the blank ones at the end."""
    try:
        with open_bytes(path) as stream:
            text = stream.read().decode("latin-1")
    except DAMAGED_STREAM as error:
        raise DataError(
            f"{path}: the compressed stream is truncated or damaged ({error}); fetch the file again"
        ) from None
    lines = text.rstrip("\r\n").replace("\r\n", "\n").split("\n")
    if lines == [""]:
        raise DataError(f"{path}: the file is empty; fetch it again")
    return lines
