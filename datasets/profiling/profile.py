"""Opens the files of an unknown log and counts over all rows in bounded memory."""

from __future__ import annotations

import csv
import glob
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from datasets.raw.kinds import is_parquet, open_bytes
from datasets.raw.tables import ParquetTable, Table, TextTable, is_pattern, named
from datasets.raw.values import as_text
from datasets.spec import DataError, apart

if TYPE_CHECKING:
    from collections.abc import Sequence

SEPARATORS = "\t,;|\x01 "  # a space comes last: it stands within values too
HEAD_BYTES = 1 << 20
HEAD_LINES = 200
LIST_SEPARATOR = ";"
NOT_TEXT = (pl.Struct, pl.Binary, pl.Object, pl.Array)
SAMPLE_SEED, CONTENT_SEED = 1, 2
FEW_VALUES = 20  # so few are those of an attribute
UNIQUE_SHARE = 0.95  # of rows with a value of their own: those of an id
MAX_DIGESTS = 20_000_000  # digests of rows that are held to count duplicates: 160 MB


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFiles:
    """The opened files of one log, in the order of their names.

    `shared` are the columns that all files have and that can be text, `bags` those that are lists
    in Parquet files, and `odd` the columns that only some files have or that are no text.
    `invented` names the columns of text files without a header.
    """

    tables: tuple[Table, ...]
    shared: tuple[str, ...]
    odd: tuple[str, ...]
    bags: tuple[str, ...]
    separator: str
    invented: tuple[str, ...]

    @property
    def num_rows(self) -> int:
        """Rows of all files, after a check of every line of text."""
        return sum(table.num_rows for table in self.tables)

    def scan(self) -> pl.LazyFrame:
        """The shared columns of all rows as text, read as a preparation reads them."""
        return pl.concat([as_text(table.scan(), self.shared) for table in self.tables])


def find_log(patterns: Sequence[str]) -> list[Path]:
    """The files that names and patterns stand for, all in one folder, in the order of their names.

    Raises:
        DataError: a pattern matches no file, or the files lie in several folders.
    """
    paths: set[Path] = set()
    for pattern in patterns:
        exact = Path(pattern)
        found = [exact] if exact.exists() else [Path(path) for path in glob.glob(pattern)]  # noqa: PTH207
        files = {path for path in found if path.is_file()}
        if not files and found:
            raise DataError(f"{found[0]}: a folder; name its files, such as '{found[0]}/*'")
        if not files:
            raise DataError(f"{pattern}: there is no such file; name the files of a log")
        paths |= files
    folders = sorted({str(path.parent) for path in paths})
    if len(folders) > 1:
        raise DataError(
            f"the files lie in several folders ({', '.join(folders)}); a log is described within"
            " one: move or link them into one folder"
        )
    return sorted(paths)


def open_log(paths: Sequence[Path]) -> LogFiles:
    """Open all files of a log alike.

    Raises:
        DataError: a file cannot be read, or no separator fits its first lines.
    """
    parquet = [path for path in paths if is_parquet(path)]
    text = next((path for path in paths if path not in parquet), None)
    separator, invented = (",", ()) if text is None else _guess_layout(text)
    schemas = {path: ParquetTable.open(path, {}).dtypes for path in parquet}
    lists = {
        name
        for schema in schemas.values()
        for name, dtype in schema.items()
        if isinstance(dtype, pl.List)
    }
    not_text = {
        name
        for schema in schemas.values()
        for name, dtype in schema.items()
        if isinstance(dtype, NOT_TEXT) or getattr(dtype, "inner", None) in (pl.Struct, pl.List)
    }
    tables: list[Table] = [
        ParquetTable.open(path, dict.fromkeys(sorted(lists), LIST_SEPARATOR))
        if path in schemas
        else TextTable.open(path, separator, invented)
        for path in paths
    ]
    everywhere = set.intersection(*(set(table.columns) for table in tables)) - not_text
    everywhere = {name for name in everywhere if not is_pattern(name)}
    anywhere = dict.fromkeys(name for table in tables for name in table.columns)
    return LogFiles(
        tables=tuple(tables),
        shared=tuple(name for name in anywhere if name in everywhere),
        odd=tuple(name for name in anywhere if name not in everywhere),
        bags=tuple(sorted(lists - not_text)),
        separator=separator,
        invented=invented,
    )


def _guess_layout(path: Path) -> tuple[str, tuple[str, ...]]:
    """The separator of a text file, and names for its columns if its first line is data."""
    lines = _head(path)
    widths = {separator: _width(lines, separator) for separator in SEPARATORS}
    separator = max(SEPARATORS, key=lambda mark: widths[mark])
    if widths[separator] < 2:
        raise DataError(
            f"{path}: no separator splits its first {len(lines)} lines into equally many values;"
            f" tried {', '.join(map(repr, SEPARATORS))}; is this a table with one row a line?"
        )
    first = next(csv.reader(lines, delimiter=separator))
    if any(_is_number(value) for value in first):
        return separator, tuple(f"c{place}" for place in range(1, len(first) + 1))
    return separator, ()


def _head(path: Path) -> list[str]:
    """The first whole lines of a text file."""
    with open_bytes(path) as stream:
        content = stream.read(HEAD_BYTES)
    lines = content.decode("utf-8-sig", errors="replace").splitlines()
    if len(content) == HEAD_BYTES:
        lines = lines[:-1]
    lines = [line for line in lines if line.strip()][:HEAD_LINES]
    if not lines:
        raise DataError(f"{path}: the file has no line of text; a log has one row a line")
    return lines


def _width(lines: list[str], separator: str) -> int:
    """Values of every line, 0 if lines differ."""
    widths = {len(values) for values in csv.reader(lines, delimiter=separator) if values}
    return widths.pop() if len(widths) == 1 else 0


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


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
        raise DataError(f"{names}: cannot be read ({reason}); check quotes, types") from None


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
