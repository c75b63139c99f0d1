"""Columns of a log on disk while it is prepared: its text, and the codes that are made of it."""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from datasets.raw.tables import named
from datasets.spec import DataError, apart

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from datasets.raw.raw_log import RawLog
    from datasets.spec import DatasetSpec

READ_ROWS = 1 << 18  # also the rows of a row group
PROBE_BYTES = 1 << 20
WIDTH = 4  # bytes of an int32
BLOCK_ROWS = 1 << 16


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
            *(named(name).cast(pl.String) for name in spec.columns),
            *([pl.col(raw.truth)] if raw.truth else []),
        ]
        parts = [raw.frame] if raw.candidates is None else [raw.frame, raw.candidates]
        self._write(pl.concat([part.select(columns) for part in parts]))
        self.size = int(pq.ParquetFile(self.path).metadata.num_rows)
        counts = [int(part.select(pl.len()).collect().item()) for part in parts[1:]]
        self.num_candidates = sum(counts)
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

    def rows(self, wanted: np.ndarray, names: Sequence[str]) -> pl.DataFrame:
        """A few rows of some columns, in this order."""
        index = apart("row", names)
        kept = pl.Series(index, wanted, dtype=pl.UInt32).to_frame()
        found = pl.scan_parquet(self.path, glob=False).select(map(named, names))
        rows = found.with_row_index(index).filter(named(index).is_in(kept[index].to_list()))
        return kept.join(rows.collect(engine="streaming"), on=index, how="left").drop(index)

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
    return DataError(f"{names}: cannot be read ({reason}); is it damaged?")


class CodeFile:
    """int32 columns of `size` rows each; several threads may write different columns."""

    def __init__(self, path: Path, size: int) -> None:
        self.path, self.size = path, size
        path.touch()

    def write(self, column: int, start: int, codes: np.ndarray) -> None:
        """Write the codes of some rows of a column, from row `start` on."""
        with self.path.open("r+b") as stream:
            stream.seek(WIDTH * (column * self.size + start))
            stream.write(np.ascontiguousarray(codes, dtype="<i4").data)

    def read(self, column: int, start: int, count: int) -> np.ndarray:
        """The codes of some rows of a column."""
        offset = WIDTH * (column * self.size + start)
        return np.fromfile(self.path, dtype="<i4", count=count, offset=offset)

    def reorder(self, column: int, order: np.ndarray) -> None:
        """Put a column's rows into this order, of which there may be fewer."""
        codes = self.read(column, 0, self.size)
        for start in range(0, len(order), BLOCK_ROWS):
            self.write(column, start, codes[order[start : start + BLOCK_ROWS]])


def write_row_major(
    codes: CodeFile, num_columns: int, others: Sequence[np.ndarray], path: Path
) -> None:
    """Write an .npy matrix of the file's first columns and then `others`, block by block."""
    num_rows = len(others[0])
    width = num_columns + len(others)
    header = {"descr": "<i4", "fortran_order": False, "shape": (num_rows, width)}
    with path.open("wb") as out:
        np.lib.format.write_array_header_1_0(out, header)
        for start in range(0, num_rows, BLOCK_ROWS):
            count = min(BLOCK_ROWS, num_rows - start)
            block = np.empty((count, width), dtype="<i4")
            for column in range(num_columns):
                block[:, column] = codes.read(column, start, count)
            for place, values in enumerate(others, num_columns):
                block[:, place] = values[start : start + count]
            out.write(block.data)
