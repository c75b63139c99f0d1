"""Codes of all features in one file, column after column, and the encoded matrix made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

WIDTH = 4  # bytes of an int32
BLOCK_ROWS = 1 << 16


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
