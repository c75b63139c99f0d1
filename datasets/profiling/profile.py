"""Counts over a whole unknown log in bounded memory, and a sample of its rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from datasets.spec import DataError

if TYPE_CHECKING:
    from datasets.profiling.sniff import LogFiles

ROW = "__row__"
SAMPLE_SEED, CONTENT_SEED = 1, 2
MAX_DIGESTS = 20_000_000  # digests of rows that are held to count duplicates: 160 MB


@dataclass(frozen=True, slots=True)
class Volume:
    """How full a column is, over all rows; `distinct` counts values that are not missing."""

    missing: int
    distinct: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LogProfile:
    """What a pass over a log shows.

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
        """Whether the sample is the log."""
        return len(self.rows) == self.num_rows

    @property
    def counts_all_duplicates(self) -> bool:
        """Whether `duplicate_share` is a count of all rows, not of a part."""
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
        *(pl.col(name).null_count().alias(f"missing {name}") for name in files.shared),
        *(pl.col(name).approx_n_unique().alias(f"distinct {name}") for name in files.shared),
    )
    sample = frame.with_row_index(ROW)
    if num_rows > max_rows:
        sample = sample.filter(_is_in_share(pl.col(ROW).hash(SAMPLE_SEED), max_rows / num_rows))
    digests = frame.select(pl.struct(pl.all()).hash(CONTENT_SEED))
    digest_share = min(1.0, MAX_DIGESTS / num_rows)
    if digest_share < 1.0:  # copies of a row have one digest: all of them are kept or none
        digests = digests.filter(_is_in_share(pl.all(), digest_share))
    counted, rows, kept = _collect(files, [counts, sample, digests])
    repeated = 1 - kept.to_series().n_unique() / len(kept)
    rows = rows.sort(ROW).drop(ROW).head(max_rows)
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
