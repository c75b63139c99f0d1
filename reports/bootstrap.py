"""Metrics of a run in resamples of the test period, drawn as blocks of consecutive rows."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from benchmark.metrics import row_logloss
from reports.ordering import ordered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

    from reports.ordering import Ordering

NUM_BLOCKS = 100  # of equally many rows; fewer where there are fewer rows
RESAMPLES = 400  # a variance is wanted, whose relative error is the root of 2 / 400
RESAMPLE_SEED = 0
PRODUCTS = 1 << 22  # numbers of a product at a time, which bounds the memory


def time_blocks(num_rows: int) -> NDArray[np.int64]:
    """(N,) the block of each row, rows being in the order of time."""
    return np.arange(num_rows) * min(NUM_BLOCKS, num_rows) // max(num_rows, 1)


@lru_cache(maxsize=16)
def block_weights(num_rows: int) -> NDArray[np.float64]:
    """(B, K) how often each block of so many rows is drawn, the same in every call."""
    num_blocks = min(NUM_BLOCKS, max(num_rows, 1))
    shares = np.full(num_blocks, 1.0 / num_blocks)
    random = np.random.default_rng(RESAMPLE_SEED)
    weights = random.multinomial(num_blocks, shares, size=RESAMPLES).astype(np.float64)
    weights.setflags(write=False)
    return weights


def resampled_metrics(
    label: ArrayLike,
    logit: ArrayLike,
    domain: ArrayLike,
    weights: NDArray[np.float64] | None = None,
) -> dict[str, NDArray[np.float64]]:
    """LogLoss, AUC and GAUC in each resample, nan where one is undefined.

    Args:
        label: (N,) in the order of time.
        logit: (N,) of the run.
        domain: (N,) what GAUC groups by.
        weights: (B, K) how often each of the `time_blocks` counts, by default `block_weights`.
    """
    label, logit = np.asarray(label), np.asarray(logit)
    if weights is None:
        weights = block_weights(label.size)
    block, num_blocks = time_blocks(label.size), weights.shape[1]
    loss = weights @ np.bincount(block, row_logloss(label, logit), num_blocks)
    rows = weights @ np.bincount(block, minlength=num_blocks)
    one_group = np.zeros(label.size, np.int64)
    with threadpool_limits(1):  # the products are too small to be shared out
        return {
            "logloss": _ratio(loss, rows),
            "auc": _grouped_auc(label, logit, one_group, weights),
            "gauc": _grouped_auc(label, logit, np.asarray(domain), weights),
        }


def _grouped_auc(
    label: NDArray[np.generic],
    logit: NDArray[np.generic],
    group: NDArray[np.integer],
    weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    """(B,) the AUC within groups, weighted by rows; groups of one class in a resample drop out."""
    if label.size == 0:
        return np.full(len(weights), np.nan)
    is_click, num_blocks = label == 1, weights.shape[1]
    block = time_blocks(label.size)
    rows = ordered(is_click, logit, group)
    pairs = concordant(rows, is_click, block, num_blocks)
    drawn = np.ascontiguousarray(weights.T)  # (K, B)
    wins = np.zeros((rows.all_clicks.size, len(weights)))  # (G, B)
    for part in pairs.parts(max(1, PRODUCTS // len(weights))):
        by_row = part.wins @ drawn * drawn[part.block]  # (r, B)
        starts = np.flatnonzero(np.diff(part.group, prepend=-1))
        wins[part.group[starts]] += np.add.reduceat(by_row, starts)
    cell = rows.group[rows.run] * num_blocks + block[rows.order]
    clicks, others = (
        np.bincount(cell, kind, wins.shape[0] * num_blocks).reshape(-1, num_blocks) @ drawn
        for kind in (is_click[rows.order], ~is_click[rows.order])
    )
    num_pairs = clicks * others
    auc = np.divide(wins, num_pairs, out=np.zeros_like(wins), where=num_pairs > 0.0)
    impressions = (clicks + others) * (num_pairs > 0.0)
    return _ratio((impressions * auc).sum(axis=0), impressions.sum(axis=0))


class Pairs(NamedTuple):
    """Which clicks win: `wins` (R, K) against the rows without a click of K blocks.

    Each of the R rows counts the clicks of one group and block together; groups are in order.
    """

    wins: NDArray[np.float64]  # (R, K)
    group: NDArray[np.intp]  # (R,)
    block: NDArray[np.intp]  # (R,)

    def parts(self, size: int) -> Iterator[Pairs]:
        """So many rows at a time."""
        for low in range(0, len(self.wins), size):
            part = slice(low, low + size)
            yield Pairs(self.wins[part], self.group[part], self.block[part])


def concordant(
    rows: Ordering, is_click: NDArray[np.bool_], block: NDArray[np.int64], num_blocks: int
) -> Pairs:
    """Pairs of a click and another row of its group with a lower score, by their blocks.

    Ties count one half. With w the blocks' weights, the sum of w_block w_k wins_k over a group's
    rows, over the weighted number of its pairs, is the AUC of the weighted rows.
    """
    # Lines are numbered: one for each group, and after it one for each of its runs with a click.
    # Another row is entered in the line of the last such run that it is not below, and once more in
    # that of the last one that it is above. Over the lines of the group ahead of a click's own, the
    # sum is then twice what the click wins.
    has_click = (rows.clicks > 0).astype(np.intp)
    line = np.cumsum(has_click) + rows.group  # (R,) of the last run with a click, or of the group
    before = line - has_click  # (R,) the same ahead of the run itself
    is_click, block = is_click[rows.order], block[rows.order]
    run, of_block = rows.run[~is_click], block[~is_click]
    entry = np.concatenate([line[run], before[run]]) * num_blocks + np.tile(of_block, 2)
    num_lines = int(line[-1]) + 1
    table = np.bincount(entry, minlength=num_lines * num_blocks).reshape(-1, num_blocks)
    ahead = np.concatenate([np.zeros((1, num_blocks), np.int64), np.cumsum(table, axis=0)])
    first_line = before[np.flatnonzero(np.diff(rows.group, prepend=-1))]  # (G,)

    run = rows.run[is_click]
    cell = rows.group[run] * num_blocks + block[is_click]
    order = np.argsort(cell, kind="stable")
    cell, run = cell[order], run[order]
    starts = np.flatnonzero(np.diff(cell, prepend=-1))
    group, of_block = np.divmod(cell[starts], num_blocks)
    clicks = np.diff(starts, append=cell.size)[:, np.newaxis]
    doubled = np.add.reduceat(ahead[line[run]], starts) - clicks * ahead[first_line[group]]
    return Pairs(doubled / 2.0, group, of_block)


def _ratio(numerator: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(numerator, other, out=np.full(other.shape, np.nan), where=other > 0.0)
