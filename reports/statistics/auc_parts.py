"""Rows by group and score, and how many clicks and other rows lie below each score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmark.metrics import sort_key

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordering:
    """N rows by group, then by score; the rows of a run, of which there are R, are equal in both.

    Groups are numbered from 0 in the order of their ids. `clicks` and `others` count the rows of
    each run by class, `clicks_below` and `others_below` those of its group with a lower score,
    `all_clicks` and `all_others` those of each group.
    """

    order: NDArray[np.intp]  # (N,) the rows so ordered; what follows is in this order
    run: NDArray[np.intp]  # (N,) of each row
    group: NDArray[np.intp]  # (R,) of each run
    clicks: NDArray[np.int64]  # (R,)
    others: NDArray[np.int64]  # (R,)
    clicks_below: NDArray[np.int64]  # (R,)
    others_below: NDArray[np.int64]  # (R,)
    all_clicks: NDArray[np.int64]  # (G,)
    all_others: NDArray[np.int64]  # (G,)


def ordered(
    is_click: NDArray[np.bool_], score: NDArray[np.generic], group: NDArray[np.integer]
) -> Ordering:
    """Order rows (N,) that have a class, a score and the id of a group, at least one row."""
    key = sort_key(score, group)
    order = np.argsort(key)
    key = key[order]
    run = _numbered(key)
    starts = np.flatnonzero(np.diff(run, prepend=-1))
    group_of_run = _numbered(key[starts] >> np.uint64(32))
    clicks = np.bincount(run, is_click[order]).astype(np.int64)
    others = np.bincount(run) - clicks
    first = np.flatnonzero(np.diff(group_of_run, prepend=-1))  # run of each group
    below = []
    for counts in (clicks, others):
        before = np.cumsum(counts) - counts
        below.append(before - before[first][group_of_run])
    return Ordering(
        order=order,
        run=run,
        group=group_of_run,
        clicks=clicks,
        others=others,
        clicks_below=below[0],
        others_below=below[1],
        all_clicks=np.add.reduceat(clicks, first),
        all_others=np.add.reduceat(others, first),
    )


def _numbered(values: NDArray[np.uint64]) -> NDArray[np.intp]:
    """Numbers from 0 of the different values, which are in order."""
    number: NDArray[np.intp] = np.cumsum(np.diff(values, prepend=values[:1]) != 0)
    return number
