"""A log as a catalog entry delivers it, its rows perhaps joined with files of one row per key."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from datasets.raw.tables import TextTable, require_columns
from datasets.spec import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    import numpy as np
    import polars as pl

    from datasets.raw.tables import Table
    from datasets.spec import DatasetSpec

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Similarity:
    """Planted similarity of the domains of a generated log.

    `values` has one row per domain, its values of `columns` as text; `matrix` (n, n) float32 holds
    the cosines of their effects, in [-1, 1] with a unit diagonal. At most 2,000 domains are listed,
    those of most impressions.
    """

    columns: tuple[str, ...]
    values: pl.DataFrame
    matrix: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class RawLog:
    """The rows of a log, lazily, in file order.

    `tables` hold the rows of the log one after the other; side files that were joined are in
    `files` only. `absent` are columns of the spec that this copy of the log lacks, and `identity`
    says what a log without files was generated from. `described_by` is the TOML file of a log that
    is not of the catalog.

    Generated logs alone know more: `truth` names the column of the true click probability,
    `similarity` is that of the domains, and `candidates` are impressions that compete in a
    simulated A/B test: the columns of `frame` (the label is drawn like the others'), `request_id`
    (Int64, rising, the rows of a request adjacent) and `bid` (Float64, above 0).
    """

    frame: pl.LazyFrame
    files: tuple[Path, ...] = ()
    tables: tuple[Table, ...] = ()
    absent: tuple[str, ...] = ()
    described_by: Path | None = None
    truth: str | None = None
    candidates: pl.LazyFrame | None = None
    similarity: Similarity | None = None
    identity: str = ""

    def check(self) -> None:
        """Read every line once; a malformed one is a `DataError` with its line number."""
        for table in self.tables:
            _ = table.num_rows

    def locate(self, row: int) -> str:
        """File and line of a 0-based row."""
        for table in self.tables:
            if row < table.num_rows:
                return table.locate(row)
            row -= table.num_rows
        return f"generated row {row + 1}"


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """A log that can be prepared: what it is and how its raw files are read.

    `draw` says which draw of a generated log it is.
    """

    spec: DatasetSpec
    read_raw: Callable[[Path], RawLog]
    default_dir: Path | None
    draw: int | None = None


@dataclass(frozen=True, eq=False)
class SideFile:
    """A file with one row for each value of `key`, which is a column of the log.

    `frame` holds the key and the columns that are joined. `is_complete` says that the release
    describes every value that the log names, so that an absent one is an error.
    """

    table: TextTable
    key: str
    frame: pl.LazyFrame
    is_complete: bool = True

    @classmethod
    def open(cls, path: Path, key: str, columns: tuple[str, ...]) -> SideFile:
        """A comma-separated file whose key and columns have the names that the log needs.

        Raises:
            DataError: the file cannot be opened or lacks a column.
        """
        table = TextTable.open(path)
        require_columns(table, (key, *columns))
        return cls(table, key, table.scan().select(key, *columns))

    def check(self) -> None:
        """Read every line once.

        Raises:
            DataError: a line is malformed, or two have the same key.
        """
        _ = self.table.num_rows
        rows = self.frame.select(self.key).with_row_index("row")
        counts = rows.group_by(self.key).agg(pl.len().alias("count"), pl.col("row").min())
        repeated = counts.filter(pl.col("count") > 1).collect(engine="streaming").sort("row")
        if len(repeated):
            first = repeated.row(0, named=True)
            raise DataError(
                f"{self.table.locate(first['row'])}: {self.key} {first[self.key]!r} occurs more"
                f" than once; a side file has one line per {self.key}"
            )


@dataclass(frozen=True, eq=False)
class Rule:
    """A condition on every row of a file of the official release, and its words."""

    table: TextTable
    holds: pl.Expr
    words: str

    def check(self) -> None:
        """Look for the first row that breaks it.

        Raises:
            DataError: there is one.
        """
        rows = self.table.scan().select(holds=self.holds.fill_null(value=False))
        broken = rows.with_row_index("row").filter(~pl.col("holds")).select("row").head(1)
        found = broken.collect(engine="streaming")
        if len(found):
            place = self.table.locate(int(found.item()))
            raise DataError(f"{place}: {self.words}; take the official file")


@dataclass(frozen=True, kw_only=True)
class JoinedLog(RawLog):
    """A log whose rows were joined; `joins` say which of its files with which side file."""

    joins: tuple[tuple[TextTable, SideFile], ...]
    rules: tuple[Rule, ...] = ()

    def check(self) -> None:
        """Read every line of all files once, and look for keys that a side file lacks.

        Raises:
            DataError: a line is malformed, breaks a rule, a key comes twice, or a row has none.
        """
        super().check()
        for rule in self.rules:
            rule.check()
        for side in dict.fromkeys(side for _, side in self.joins):
            side.check()
        for table, side in self.joins:
            _check_keys(table, side)


def join_sides(rows: pl.LazyFrame, sides: Iterable[SideFile]) -> pl.LazyFrame:
    """The rows in their order, with the columns of all side files."""
    for side in sides:
        rows = rows.join(side.frame, on=side.key, how="left", maintain_order="left")
    return rows


def _check_keys(table: TextTable, side: SideFile) -> None:
    keys = table.scan().select(side.key).with_row_index("row")
    absent = keys.join(side.frame.select(side.key), on=side.key, how="anti").select(
        pl.len().alias("rows"),
        pl.col(side.key).n_unique().alias("values"),
        pl.col("row").min(),
        pl.col(side.key).sort_by("row").first().alias("first"),
    )
    found = absent.collect(engine="streaming").row(0, named=True)
    if not found["rows"]:
        return
    lacks = f"{found['rows']} rows name {found['values']} values of {side.key} that"
    if not side.is_complete:
        logger.warning(
            "%s: %s %s lacks; they are prepared with its columns missing",
            table.path,
            lacks,
            side.table.path.name,
        )
        return
    raise DataError(
        f"{table.locate(found['row'])}: {side.key} {found['first']!r} is not in"
        f" {side.table.path.name}; {lacks} it lacks; take both files whole from one release"
    )
