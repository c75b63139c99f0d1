"""Rows by time: their order, the 4:1:1 cut into train, dev and test, and blocks of close rows."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from datasets.encoding.times import UNITS, epoch_unit
from datasets.spec import SPLITS, DataError

if TYPE_CHECKING:
    from datasets.spec import PrepareOptions, SplitKind, SplitName, SplitVariant

SHARES = (4, 1, 1)  # AdaSparse, section 4.1.1
WHOLE = (0.0, 1.0)  # of a log, as shares of its rows in the order of time
CUTS: dict[SplitVariant, tuple[float, float]] = {
    "cut 1": (0.0, 0.8),
    "cut 2": (0.1, 0.9),
    "cut 3": (0.2, 1.0),
}
MIN_DAYS, NUM_BLOCKS = 10, 20
DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class RowOrder:
    """The raw row of each prepared row, and the ends of the splits; rows of no split come last.

    Neither dropped train rows nor those outside a window of time are part of the order.
    """

    order: np.ndarray  # (N,) integers: raw row of each prepared row
    bounds: tuple[int, ...]  # ends of train, dev and test
    kind: SplitKind
    train_rows_dropped: int = 0
    rows_outside: int = 0

    @property
    def num_train(self) -> int:
        """Rows of train; they come first."""
        return self.bounds[0]

    @property
    def num_raw(self) -> int:
        """Raw rows, also those that are no part of the order."""
        return len(self.order) + self.train_rows_dropped + self.rows_outside

    def ranges(self) -> dict[SplitName, range]:
        """The contiguous rows of every split."""
        return {
            name: range(start, stop)
            for name, start, stop in zip(SPLITS, (0, *self.bounds), self.bounds, strict=False)
        }

    def followed_by(self, num_rows: int) -> RowOrder:
        """The same order, then as many raw rows that come after those of the log."""
        if not num_rows:
            return self
        added = _compact(np.arange(self.num_raw, self.num_raw + num_rows))
        return replace(self, order=np.concatenate([self.order, added]))

    def keep_latest(self, max_train_rows: int | None) -> RowOrder:
        """The same order without the earlier train rows beyond `max_train_rows`."""
        dropped = max(0, self.num_train - max_train_rows) if max_train_rows is not None else 0
        train, dev, test = (bound - dropped for bound in self.bounds)
        return replace(
            self, order=self.order[dropped:], bounds=(train, dev, test), train_rows_dropped=dropped
        )

    def shuffled(self, seed: int) -> RowOrder:
        """The same rows in a seeded random order, cut into splits of the same sizes."""
        order = np.random.default_rng(seed).permutation(self.order)
        return replace(self, order=order)


def order_rows(
    times: np.ndarray | None, num_rows: int, name: str, options: PrepareOptions
) -> RowOrder:
    """The order and the splits that the options ask for.

    Args:
        times: (num_rows,) the `time_keys` of the log, none of one without a timestamp.
        num_rows: the rows of the log.
        name: how errors name the log.
        options: only a log with times has another variant than its own.

    Raises:
        DataError: a split would be empty.
    """
    variant = options.variant
    if times is None:
        return by_shuffle(num_rows, options.split_seed, name).keep_latest(options.max_train_rows)
    window = WHOLE if variant is None else CUTS.get(variant, WHOLE)
    rows = by_time(times, name, window)
    rows = rows.keep_latest(options.max_train_rows)
    rows = rows.shuffled(options.split_seed) if variant == "shuffled" else rows
    return replace(rows, kind=variant or "time")


def by_time(keys: np.ndarray, name: str, window: tuple[float, float] = WHOLE) -> RowOrder:
    """Stable order by timestamp; rows of one timestamp stay in one split.

    The rows outside `window`, which is given in shares of all rows, take no part in anything.

    Raises:
        DataError: equal timestamps leave a split empty.
    """
    first, last = (round(share * len(keys)) for share in window)
    order = _compact(np.argsort(keys, kind="stable")[first:last])
    in_order = keys[order]
    bounds = tuple(_beside_ties(in_order, bound) for bound in _bounds(len(order)))
    _check_not_empty(bounds, f"{name}: the log has {len(order)} rows and many equal timestamps")
    return RowOrder(order, bounds, "time", rows_outside=len(keys) - len(order))


def by_shuffle(num_rows: int, seed: int, name: str) -> RowOrder:
    """Seeded random order, for a log without a timestamp.

    Raises:
        DataError: there are too few rows for three splits.
    """
    bounds = _bounds(num_rows)
    _check_not_empty(bounds, f"{name}: the log has {num_rows} rows")
    order = _compact(np.random.default_rng(seed).permutation(num_rows))
    return RowOrder(order, bounds, "shuffle")


def _compact(order: np.ndarray) -> np.ndarray:
    """Row numbers as int32, if they fit."""
    return order.astype(np.int32) if len(order) <= np.iinfo(np.int32).max else order


def _bounds(num_rows: int) -> tuple[int, ...]:
    return tuple(round(num_rows * end / sum(SHARES)) for end in itertools.accumulate(SHARES))


def _beside_ties(in_order: np.ndarray, cut: int) -> int:
    """Move a cut that falls among equal timestamps to the nearer end of their run."""
    if cut == 0 or cut == len(in_order):
        return cut
    low = int(np.searchsorted(in_order, in_order[cut], side="left"))
    high = int(np.searchsorted(in_order, in_order[cut], side="right"))
    return low if cut - low <= high - cut else high


def _check_not_empty(bounds: tuple[int, ...], reason: str) -> None:
    for name, start, stop in zip(SPLITS, (0, *bounds), bounds, strict=False):
        if start >= stop:
            raise DataError(
                f"{reason}, so that split {name} of the 4:1:1 split would be empty; more rows or"
                " finer timestamps are needed"
            )


def time_blocks(num_rows: int, times: np.ndarray | None) -> np.ndarray:
    """The block of each row of a split, (num_rows,) int16 from 0.

    Blocks are the calendar days (UTC) that occur, where there are at least `MIN_DAYS` of them.
    Otherwise `NUM_BLOCKS` blocks, or one per row of fewer rows, hold equally many rows that follow
    each other in time, or in their own order where no time is known.

    Args:
        num_rows: the rows of the split, one or more.
        times: sortable integers of `times.time_keys`; they tell days only as epochs.
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
