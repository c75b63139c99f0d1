"""Parquet files: rows read lazily, lists as text joined by their separator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl
from polars import selectors

from datasets.raw.packed import plain_file
from datasets.raw.tables import named
from datasets.spec import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


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
        dtypes, num_rows = footer(path)
        if not num_rows:
            raise DataError(f"{path}: the file has no row; at least one is needed")
        return cls(path, dtypes, num_rows, tuple(list_separators.items()))

    @property
    def remark(self) -> str:
        """Empty: nothing in such a file deserves a remark."""
        return ""

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(self.dtypes)

    @property
    def bags(self) -> tuple[str, ...]:
        """The columns of lists of texts or numbers."""
        inner = {name: getattr(dtype, "inner", None) for name, dtype in self.dtypes.items()}
        return tuple(
            name
            for name, dtype in inner.items()
            if isinstance(self.dtypes[name], pl.List)
            and isinstance(dtype, pl.DataType)
            and (dtype.is_numeric() or dtype == pl.String)
        )

    @property
    def binaries(self) -> tuple[str, ...]:
        """The columns of bytes, which are text if they happen to be UTF-8."""
        return tuple(name for name, dtype in self.dtypes.items() if dtype == pl.Binary)

    @property
    def no_texts(self) -> tuple[str, ...]:
        """The columns whose values have no text: maps, structs, lists of those, durations."""
        return tuple(
            name
            for name, dtype in self.dtypes.items()
            if (dtype.is_nested() and name not in self.bags) or dtype in (pl.Duration, pl.Object)
        )

    def row_with_element(self, name: str, text: str) -> int | None:
        """The first row whose list of this column has an element with this text in it."""
        holds = (
            named(name)
            .cast(pl.List(pl.String))
            .list.eval(pl.element().str.contains(text, literal=True))
        )
        rows = pl.scan_parquet(plain_file(self.path), glob=False).select(holds=holds.list.any())
        found = rows.with_row_index("row").filter("holds").select("row").head(1)
        row = found.collect(engine="streaming").to_series()
        return None if row.is_empty() else int(row[0])

    def scan(self) -> pl.LazyFrame:
        """All rows in file order; lists as text, times with a zone as UTC without one."""
        lists = joined_lists(self.dtypes, dict(self.list_separators))
        zoned = selectors.datetime(time_zone="*")
        return pl.scan_parquet(plain_file(self.path), glob=False).with_columns(
            *lists, zoned.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        )

    def locate(self, row: int) -> str:
        """The file and line of a 0-based row."""
        return f"{self.path} row {row + 1}"


def joined_lists(dtypes: Mapping[str, pl.DataType], separators: Mapping[str, str]) -> list[pl.Expr]:
    """Those of the columns with a separator that hold lists, as text joined by it."""
    return [
        named(name).cast(pl.List(pl.String)).list.join(separator)
        for name, separator in separators.items()
        if isinstance(dtypes.get(name), pl.List)
    ]


def footer(path: Path) -> tuple[dict[str, pl.DataType], int]:
    """The columns of a Parquet file and its number of rows."""
    frame = pl.scan_parquet(plain_file(path), glob=False)
    try:
        return dict(frame.collect_schema()), int(frame.select(pl.len()).collect().item())
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path}: not a readable Parquet file ({reason}); write it again") from None
