"""The folders of a log as Hive and Spark write them: which files count, and columns in names."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePath
from typing import TYPE_CHECKING
from urllib.parse import unquote

import polars as pl

from datasets.raw.kinds import is_parquet
from datasets.raw.parquet import footer
from datasets.raw.tables import named
from datasets.raw.text import has_rows
from datasets.raw.values import token
from datasets.spec import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from datasets.raw.tables import RawTable

NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


def is_meant(path: Path, pattern: str) -> bool:
    """True of a file that a pattern means.

    Names from `.` or `_` on, such as `_SUCCESS`, are those of tools; their pattern must begin so.
    """
    is_marked = path.name.startswith((".", "_"))
    return path.is_file() and (not is_marked or PurePath(pattern).name.startswith((".", "_")))


def with_rows(paths: Sequence[Path], *, has_header: bool, quote: str) -> list[Path]:
    """The files of a log that have rows; all of them if none has any."""
    filled = [
        path
        for path in paths
        if (
            footer(path)[1]
            if is_parquet(path)
            else has_rows(path, has_header=has_header, quote=quote)
        )
    ]
    return filled or list(paths)


def folder_values(path: Path, root: Path) -> dict[str, str | None]:
    """The columns that the folders between `root` and a file name, in their order."""
    pairs = [part.partition("=") for part in path.relative_to(root).parts[:-1]]
    values = {unquote(key): unquote(value) for key, mark, value in pairs if key and mark}
    return {key: None if value in ("", NO_VALUE) else value for key, value in values.items()}


@dataclass(frozen=True)
class FolderTable:
    """A file whose folders name further columns; one that the file holds too must agree."""

    table: RawTable
    values: tuple[tuple[str, str | None], ...]

    @property
    def path(self) -> Path:
        """The file."""
        return self.table.path

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, those of folders last."""
        return tuple(dict.fromkeys([*self.table.columns, *dict(self.values)]))

    @property
    def remark(self) -> str:
        """The remark of the file."""
        return self.table.remark

    @cached_property
    def num_rows(self) -> int:
        """Data rows, after a check of them.

        Raises:
            DataError: a line is malformed, or a value is not that of its folder.
        """
        num_rows = self.table.num_rows
        for name, value in self.values:
            if name in self.table.columns:
                self._check(name, value)
        return num_rows

    def scan(self) -> pl.LazyFrame:
        """All rows in file order."""
        return self.table.scan().with_columns(
            pl.lit(value, pl.String).alias(name)
            for name, value in self.values
            if name not in self.table.columns
        )

    def locate(self, row: int) -> str:
        """The file and line of a 0-based data row."""
        return self.table.locate(row)

    def _check(self, name: str, value: str | None) -> None:
        own = token(named(name).cast(pl.String))
        is_equal = own.eq_missing(token(pl.lit(value, pl.String)))
        if value is not None:  # 01 and 1 are one number
            number = pl.lit(value).cast(pl.Float64, strict=False)
            is_equal |= own.cast(pl.Float64, strict=False).eq(number).fill_null(value=False)
        rows = self.table.scan().select(own=own, is_equal=is_equal).with_row_index("row")
        found = rows.filter(~pl.col("is_equal")).head(1).collect(engine="streaming")
        if len(found):
            row, text, _ = found.row(0)
            raise DataError(
                f"{self.locate(row)}: column {name!r} holds {text!r}, its folder names {value!r};"
                " correct one of them, or rename the folder"
            )
