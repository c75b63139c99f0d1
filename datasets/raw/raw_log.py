"""A log as a catalog entry delivers it: rows of text in file order, and where each one stands."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    import polars as pl

    from datasets.raw.tables import RawTable
    from datasets.raw.writing import Writing
    from datasets.spec import DatasetSpec


logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Similarity:
    """Planted similarity of the domains of a generated log.

    `values` has one row per domain, its values of the domain columns as text; `matrix` (n, n)
    float32 holds the cosines of their effects, in [-1, 1] with a unit diagonal. At most 2,000
    domains are listed, those of most impressions.
    """

    values: pl.DataFrame
    matrix: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class RawLog:
    """The rows of a log, lazily, in file order.

    `tables` hold the rows of the log one after the other; side files that were joined are in
    `files` only. `absent` are columns of the spec that this copy of the log lacks, `release` is the
    one that it is of, as its source names it, and `identity` says what a log without files was
    generated from. `described_by` is the TOML file of a log that is not of the catalog. `writing`
    is that of files with the columns of `frame`; without one their values are tokens as they stand.

    Generated logs alone know more: `truth` names the column of the true click probability,
    `similarity` is that of the domains, and `candidates` are impressions that compete in a
    simulated A/B test: the columns of `frame` (the label is drawn like the others'), `request_id`
    (Int64, rising, the rows of a request adjacent) and `bid` (Float64, above 0).
    """

    frame: pl.LazyFrame
    files: tuple[Path, ...] = ()
    tables: tuple[RawTable, ...] = ()
    absent: tuple[str, ...] = ()
    release: str = ""
    described_by: Path | None = None
    truth: str | None = None
    candidates: pl.LazyFrame | None = None
    similarity: Similarity | None = None
    identity: str = ""
    writing: Writing | None = None

    @property
    def file_names(self) -> list[str]:
        """The names of the files, with their folders where they lie in several."""
        root = os.path.commonpath([path.parent for path in self.files]) if self.files else ""
        return [str(path.relative_to(root)) for path in self.files]

    def check(self) -> None:
        """Read every line once; a malformed one is a `DataError` with its line number."""
        for table in self.tables:
            _ = table.num_rows
            if table.remark:
                remedy = '; quote = "" makes quotes plain characters' if self.described_by else ""
                logger.warning("%s%s", table.remark, remedy)

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
    default_dir: Path
    draw: int | None = None
