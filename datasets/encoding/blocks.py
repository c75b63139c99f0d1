"""Groups of rows that are close: blocks of time, and clusters such as users."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import numpy as np

from datasets.encoding.vocabulary import MISSING

if TYPE_CHECKING:
    from datasets.encoding.vocabulary import Tokens

MIN_DAYS, NUM_BLOCKS = 10, 20
DAY_SECONDS = 86_400
UNITS = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
EARLIEST, LATEST = (
    int(dt.datetime(year, 1, 1, tzinfo=dt.UTC).timestamp()) for year in (1990, 2050)
)


def epoch_unit(low: int, high: int) -> str | None:
    """The one of `UNITS` in which both numbers are times of 1990 to 2050; None if there is none."""
    fitting = (
        name for name, size in UNITS.items() if EARLIEST * size <= low <= high <= LATEST * size
    )
    return next(fitting, None)


def time_blocks(num_rows: int, times: np.ndarray | None) -> np.ndarray:
    """The block of each row of a split, (num_rows,) int16 from 0.

    Blocks are the calendar days (UTC) that occur, where there are at least `MIN_DAYS` of them.
    Otherwise `NUM_BLOCKS` blocks, or one per row of fewer rows, hold equally many rows that follow
    each other in time, or in their own order where no time is known.

    Args:
        num_rows: the rows of the split, one or more.
        times: sortable integers of `splits.time_keys`; they tell days only as epochs.
    """
    order = np.arange(num_rows)
    if times is not None:
        unit = epoch_unit(int(times.min()), int(times.max()))
        if unit is not None:
            days, block = np.unique(times // (DAY_SECONDS * UNITS[unit]), return_inverse=True)
            if len(days) >= MIN_DAYS:
                return block.astype(np.int16)
        order = np.argsort(times, kind="stable")
    block = np.empty(num_rows, dtype=np.int16)
    block[order] = np.arange(num_rows) * min(NUM_BLOCKS, num_rows) // num_rows
    return block


def cluster_codes(column: Tokens, order: np.ndarray) -> np.ndarray:
    """The cluster of each row, (N,) int32: numbered from 0 as they first appear.

    A row whose value is missing is a cluster of its own, since nothing says which rows share it.

    Args:
        column: the values of the raw rows.
        order: (N,) the raw row of each prepared row.
    """
    place = np.arange(len(order), dtype=np.int32)
    positions = column.positions[order]
    first = np.empty(len(column.tokens), dtype=np.int32)
    first[positions[::-1]] = place[::-1]  # of several values for one token the last one is kept
    first_place = first[positions]
    is_missing = (column.tokens == MISSING).to_numpy()[positions]
    first_place[is_missing] = place[is_missing]
    number = np.cumsum(first_place == place, dtype=np.int32) - 1
    return number[first_place]
