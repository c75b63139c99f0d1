"""Opens the files of an unknown log and counts over all rows in bounded memory."""

from __future__ import annotations

import glob
import math
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from datasets.profiling.layout import TextLayout, guess_layout, open_all
from datasets.raw.folders import FolderTable, folder_values, is_meant, with_rows
from datasets.raw.kinds import is_parquet
from datasets.raw.parquet import ParquetTable
from datasets.raw.tables import RawTable, is_pattern, named
from datasets.raw.values import as_text
from datasets.spec import DataError, apart

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

LIST_SEPARATORS = ";|,\t\x01"  # between the elements of a list, none of which holds it
SAMPLE_SEED, CONTENT_SEED = 1, 2
FEW_VALUES = 20  # so few are those of an attribute
UNIQUE_SHARE = 0.95  # of rows with a value of their own: those of an id
MAX_DIGESTS = 20_000_000  # digests of rows that are held to count duplicates: 160 MB


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFiles:
    """The opened files of one log, in the order of their names.

    `root` is the folder that holds all `paths`, of which those without rows are no `tables`.
    `shared` are the columns that all files have and that can be text, `bags` those that are lists
    in Parquet files, with a mark that no element holds, and `odd` the columns that only some files
    have or that are no text. `layout` is that of text files.
    """

    root: Path
    paths: tuple[Path, ...]
    tables: tuple[RawTable, ...]
    shared: tuple[str, ...]
    odd: tuple[str, ...]
    bags: dict[str, str]
    layout: TextLayout

    @property
    def empty(self) -> tuple[Path, ...]:
        """The files without rows."""
        filled = {table.path for table in self.tables}
        return tuple(path for path in self.paths if path not in filled)

    @property
    def num_rows(self) -> int:
        """Rows of all files, after a check of every line of text."""
        return sum(table.num_rows for table in self.tables)

    def scan(self) -> pl.LazyFrame:
        """The shared columns of all rows as text, read as a preparation reads them."""
        return pl.concat([as_text(table.scan(), self.shared) for table in self.tables])


def find_log(patterns: Sequence[str]) -> list[Path]:
    """The files that names and patterns stand for, in the order of their names.

    Raises:
        DataError: a pattern matches no file, or the files lie in several folders, which are not all
            named `key=value` for the same keys.
    """
    paths: set[Path] = set()
    for pattern in patterns:
        exact = Path(pattern)
        found = [exact] if exact.exists() else [*map(Path, glob.glob(pattern, recursive=True))]  # noqa: PTH207
        files = {path for path in found if is_meant(path, pattern)}
        if folder := next((path for path in found if path.is_dir() and not files), None):
            raise DataError(f"{folder}: a folder; name its files, such as '{folder}/**/*'")
        if found and not files:
            raise DataError(f"{found[0]}: no plain file but a pipe or device; save it as a file")
        if not files:
            raise DataError(f"{pattern}: there is no such file; name the files of a log")
        if unwritable := next((path for path in files if not _is_utf8(path.name)), None):
            raise DataError(f"{unwritable}: the file's name is not UTF-8; rename it")
        paths |= files
    _check_folders(paths)
    return sorted(paths)


def _is_utf8(name: str) -> bool:
    return name.encode(errors="ignore").decode() == name


def _check_folders(paths: Collection[Path]) -> None:
    root = log_folder(paths)
    keys = {path: tuple(folder_values(path.absolute(), root)) for path in paths}
    depths = {len(path.absolute().relative_to(root).parts) - 1 for path in paths}
    if len(set(keys.values())) > 1 or depths != {len(keys[next(iter(paths))])}:
        folders = sorted({str(path.parent) for path in paths})
        raise DataError(
            f"the files lie in several folders ({', '.join(folders)}); folders named key=value, of"
            " the same keys, are read as columns; otherwise move or link the files into one folder"
        )


def log_folder(paths: Collection[Path]) -> Path:
    """The folder that holds all files."""
    return Path(os.path.commonpath([path.absolute().parent for path in paths]))


def open_log(paths: Sequence[Path]) -> LogFiles:
    """Open all files of a log alike; those without rows are left out as long as others have some.

    Raises:
        DataError: a file cannot be read, or no separator fits its first lines.
    """
    filled = with_rows(paths, has_header=False, quote="")
    texts = [path for path in filled if not is_parquet(path)]
    layout = guess_layout(texts) if texts else TextLayout()
    filled = with_rows(filled, has_header=not layout.columns, quote=layout.quote)
    layout, lines = open_all([path for path in texts if path in set(filled)], layout)
    typed = [ParquetTable.open(path, {}) for path in filled if path not in set(texts)]
    bags = {name: _list_separator(typed, name) for table in typed for name in table.bags}
    no_text = {name for table in typed for name in (*table.no_texts, *table.binaries)}
    typed = [replace(table, list_separators=tuple(bags.items())) for table in typed]
    opened: list[RawTable] = [*lines, *typed]
    root = log_folder(paths)
    tables = [_in_folders(table, root) for table in sorted(opened, key=lambda table: table.path)]
    everywhere = set.intersection(*(set(table.columns) for table in tables)) - no_text
    everywhere = {name for name in everywhere if not is_pattern(name)}
    anywhere = dict.fromkeys(name for table in tables for name in table.columns)
    return LogFiles(
        root=root,
        paths=tuple(paths),
        tables=tuple(tables),
        shared=tuple(name for name in anywhere if name in everywhere),
        odd=tuple(name for name in anywhere if name not in everywhere),
        bags={name: mark for name, mark in bags.items() if name not in no_text},
        layout=layout,
    )


def _list_separator(tables: Sequence[ParquetTable], name: str) -> str:
    """A mark that no element of a column of lists holds."""
    own = [table for table in tables if name in table.bags]
    for mark in LIST_SEPARATORS:
        if all(table.row_with_element(name, mark) is None for table in own):
            return mark
    raise DataError(
        f"{own[0].path}: elements of the list {name!r} hold all of the separators"
        f" {', '.join(map(repr, LIST_SEPARATORS))}; write one of them in another way"
    )


def _in_folders(table: RawTable, root: Path) -> RawTable:
    values = folder_values(table.path.absolute(), root)
    return FolderTable(table, tuple(values.items())) if values else table


@dataclass(frozen=True, slots=True)
class Volume:
    """The numbers of missing and of distinct values of a column, missing ones apart."""

    missing: int
    distinct: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LogProfile:
    """The findings of a pass over a log.

    `rows` are all rows if `is_whole`, else a random sample, in file order, every value a text.
    Counts of distinct values are then estimates (HyperLogLog, up to about 5% off).
    `duplicate_share` is the share of rows that repeat an earlier one.
    """

    num_rows: int
    rows: pl.DataFrame
    volumes: dict[str, Volume]
    duplicate_share: float

    @property
    def is_whole(self) -> bool:
        """True if the sample is the log."""
        return len(self.rows) == self.num_rows

    def is_sorted_by(self, name: str) -> bool:
        """True if all rows of a value stand together, in a column of repeated values."""
        runs = int(self.rows[name].rle_id().max() or 0) + 1  # type: ignore[arg-type]
        return runs == self.rows[name].n_unique() < UNIQUE_SHARE * len(self.rows)

    @property
    def counts_all_duplicates(self) -> bool:
        """True if `duplicate_share` is a count of all rows, not of a part."""
        return self.num_rows <= MAX_DIGESTS


def profile_log(files: LogFiles, max_rows: int) -> LogProfile:
    """Check and count all lines of a log, then stream over it for everything else.

    A longer log than `max_rows` is sampled by a digest of the row's number: rows are independent
    of each other and of any period in the file, and the same at every call.

    Raises:
        DataError: a line is malformed.
    """
    num_rows = files.num_rows
    frame = files.scan()
    counts = frame.select(
        *(named(name).null_count().alias(f"missing {name}") for name in files.shared),
        *(named(name).approx_n_unique().alias(f"distinct {name}") for name in files.shared),
    )
    row = apart("row", files.shared)
    sample = frame.with_row_index(row)
    if num_rows > max_rows:
        sample = sample.filter(_is_in_share(pl.col(row).hash(SAMPLE_SEED), max_rows / num_rows))
    digests = frame.select(pl.struct(pl.all()).hash(CONTENT_SEED))
    digest_share = min(1.0, MAX_DIGESTS / num_rows)
    if digest_share < 1.0:  # copies of a row have one digest: all of them are kept or none
        digests = digests.filter(_is_in_share(pl.all(), digest_share))
    counted, rows, kept = _collect(files, [counts, sample, digests])
    repeated = 1 - kept.to_series().n_unique() / len(kept)
    rows = rows.sort(row).drop(row).head(max_rows)
    return LogProfile(
        num_rows=num_rows,
        rows=rows,
        volumes=_volumes(counted, rows, is_whole=len(rows) == num_rows),
        duplicate_share=repeated,
    )


def _collect(files: LogFiles, queries: list[pl.LazyFrame]) -> list[pl.DataFrame]:
    try:
        return pl.collect_all(queries, engine="streaming")
    except pl.exceptions.PolarsError as error:
        names = ", ".join(str(table.path) for table in files.tables)
        reason = str(error).splitlines()[0]
        raise DataError(f"{names}: cannot be read ({reason}); is it damaged?") from None


def _is_in_share(digest: pl.Expr, share: float) -> pl.Expr:
    return digest < math.floor(share * 2**64)


def _volumes(counted: pl.DataFrame, rows: pl.DataFrame, *, is_whole: bool) -> dict[str, Volume]:
    volumes = {}
    for name in rows.columns:
        missing = int(counted[f"missing {name}"].item())
        distinct = int(counted[f"distinct {name}"].item())
        if is_whole:
            distinct = rows[name].n_unique()
        volumes[name] = Volume(missing, distinct - (missing > 0))
    return volumes
