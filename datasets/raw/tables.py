"""One file of a log whatever its kind, and its columns by name."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Protocol

import polars as pl
from polars import selectors

from datasets.spec import DataError, MissingFilesError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class RawTable(Protocol):
    """One file of a log."""

    @property
    def path(self) -> Path:
        """The file."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""

    @property
    def num_rows(self) -> int:
        """Data rows, after a check of them."""

    @property
    def remark(self) -> str:
        """The oddity of a file without an error, empty without one; known after the check."""

    def scan(self) -> pl.LazyFrame:
        """All rows in file order."""

    def locate(self, row: int) -> str:
        """The file and line of a 0-based data row."""


def named(name: str) -> pl.Expr:
    """The column of exactly this name; `pl.col` takes `*` and names from ^ to $ for patterns."""
    return selectors.by_name(name).as_expr()


def is_pattern(name: str) -> bool:
    """True of names that Polars takes for a pattern even where they name a series."""
    return name.startswith("^") and name.endswith("$")


def check_folder(root: Path) -> None:
    """Raise a `MissingFilesError` unless `root` is a folder."""
    if not root.is_dir():
        problem = "is not a folder" if root.exists() else "does not exist"
        raise MissingFilesError(
            f"data folder {root} {problem}; name the folder that holds the raw files"
        )


def require_columns(
    table: RawTable, needed: Iterable[str], optional: Iterable[str] = ()
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
