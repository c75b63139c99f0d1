"""The needed columns of a raw log as one Parquet file, read back block by block."""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from datasets.encoding.generated_only import num_rows
from datasets.spec import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from datasets.raw.raw_log import RawLog
    from datasets.spec import DatasetSpec

READ_ROWS = 1 << 18  # also the rows of a row group
PROBE_BYTES = 1 << 20


class Staged:
    """The columns of a log that its spec names as text in raw row order, and the truth.

    Candidates of an A/B test follow the `num_rows` rows of the log; `size` counts them too.
    """

    def __init__(self, raw: RawLog, spec: DatasetSpec, folder: Path) -> None:
        """Write the file.

        Raises:
            DataError: a line of the log is malformed.
            OSError: the disk is full.
        """
        self.raw = raw
        self.path = folder / "staged.parquet"
        columns = [
            pl.col(spec.columns).cast(pl.String),
            *([pl.col(raw.truth)] if raw.truth else []),
        ]
        parts = [raw.frame] if raw.candidates is None else [raw.frame, raw.candidates]
        self._write(pl.concat([part.select(columns) for part in parts]))
        self.size = int(pq.ParquetFile(self.path).metadata.num_rows)
        self.num_candidates = num_rows(raw.candidates)
        self.num_rows = self.size - self.num_candidates
        expected = sum(table.num_rows for table in raw.tables)
        if raw.tables and self.num_rows != expected:
            raise _unreadable(raw, f"{expected} rows were counted but {self.num_rows} read")

    def _write(self, frame: pl.LazyFrame) -> None:
        with ThreadPoolExecutor(1) as pool:
            checked = pool.submit(self.raw.check)
            try:
                frame.sink_parquet(
                    self.path,
                    compression="uncompressed",
                    statistics=False,
                    row_group_size=READ_ROWS,
                    engine="streaming",
                )
            except (pl.exceptions.PolarsError, OSError) as error:
                checked.result()  # a malformed line says more
                raise _staging_error(self.raw, self.path, error) from None
            checked.result()

    def blocks(self, name: str) -> Iterator[pl.Series]:
        """One column as text, block by block."""
        # Buffering ahead would read the whole column.
        with pq.ParquetFile(self.path, pre_buffer=False) as file:
            for batch in file.iter_batches(READ_ROWS, columns=[name], use_threads=False):
                yield pl.Series(name, batch.column(0))

    def numbers(self, name: str) -> np.ndarray:
        """One column of numbers, (size,) float64."""
        found, start = np.empty(self.size), 0
        for block in self.blocks(name):
            found[start : start + len(block)] = block.to_numpy()
            start += len(block)
        return found


def _staging_error(raw: RawLog, path: Path, error: Exception) -> Exception:
    """Tell a full disk from bad input: Polars may report both as errors of its own."""
    if isinstance(error, OSError):
        return error
    code = re.search(r"\(os error (\d+)\)", str(error))
    if code:
        return OSError(int(code[1]), os.strerror(int(code[1])), str(path))
    try:  # Polars may lose the reason too; then a write of our own finds it
        path.write_bytes(bytes(PROBE_BYTES))
    except OSError as full:
        return full
    return _unreadable(raw, str(error).splitlines()[0])


def _unreadable(raw: RawLog, reason: str) -> DataError:
    names = ", ".join(str(path) for path in raw.files)
    return DataError(f"{names}: cannot be read ({reason}); check quotes and separators")
