"""Metrics of a run in resamples of the test period, drawn as blocks of consecutive rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits

from benchmark.metrics import row_logloss

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

NUM_BLOCKS = 100  # of equally many rows; fewer where there are fewer rows
RESAMPLES = 400  # a variance is wanted, whose relative error is the root of 2 / 400
RESAMPLE_SEED = 0
COUNTED = 1 << 22  # counts at a time, which bounds the memory


def time_blocks(num_rows: int) -> NDArray[np.int64]:
    """(N,) the block of each row, rows being in the order of time."""
    return np.arange(num_rows) * min(NUM_BLOCKS, num_rows) // max(num_rows, 1)


def block_weights(num_rows: int) -> NDArray[np.float64]:
    """(B, K) how often each block of so many rows is drawn, the same in every call."""
    num_blocks = min(NUM_BLOCKS, max(num_rows, 1))
    shares = np.full(num_blocks, 1.0 / num_blocks)
    random = np.random.default_rng(RESAMPLE_SEED)
    return random.multinomial(num_blocks, shares, size=RESAMPLES).astype(np.float64)


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
    groups = {"auc": np.zeros(label.size, np.int64), "gauc": np.asarray(domain)}
    with threadpool_limits(1):  # the products are too small to be shared out
        aucs = {
            name: _grouped_auc(label, logit, group, block, weights)
            for name, group in groups.items()
        }
    return {"logloss": _ratio(loss, rows), **aucs}


def _grouped_auc(
    label: NDArray[np.generic],
    logit: NDArray[np.generic],
    group: NDArray[np.generic],
    block: NDArray[np.int64],
    weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    """(B,) the AUC within groups, weighted by rows; groups of one class in a resample drop out."""
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order])) + 1
    total, covered = np.zeros(len(weights)), np.zeros(len(weights))
    for rows in np.split(order, starts):
        is_click = label[rows] == 1
        if not is_click.any() or is_click.all():
            continue
        blocks, own = np.unique(block[rows], return_inverse=True)
        drawn = weights[:, blocks]  # (B, k)
        clicks, others = (
            drawn @ np.bincount(own[kind], minlength=blocks.size) for kind in (is_click, ~is_click)
        )
        wins = (drawn @ concordant(is_click, logit[rows], own, blocks.size) * drawn).sum(axis=1)
        pairs, impressions = clicks * others, clicks + others
        total += impressions * np.divide(wins, pairs, out=np.zeros_like(wins), where=pairs > 0.0)
        covered += impressions * (pairs > 0.0)
    return _ratio(total, covered)


def concordant(
    is_click: NDArray[np.bool_],
    logit: NDArray[np.generic],
    block: NDArray[np.int64],
    num_blocks: int,
) -> NDArray[np.float64]:
    """(K, K) pairs of a click of one block with a higher logit than another row of a second block.

    Ties count one half. With w the blocks' weights, w' M w over the weighted number of pairs is the
    AUC of the weighted rows.
    """
    order = np.argsort(logit[~is_click], kind="stable")
    others, other_block = logit[~is_click][order], block[~is_click][order]
    below = np.searchsorted(others, logit[is_click], "left")
    through = np.searchsorted(others, logit[is_click], "right")
    click_block = block[is_click][np.newaxis] == np.arange(num_blocks)[:, np.newaxis]
    pairs = np.empty((num_blocks, num_blocks))
    step = max(1, COUNTED // max(others.size, 1))
    for low in range(0, num_blocks, step):
        columns = np.arange(low, min(low + step, num_blocks))
        counts = np.zeros((others.size + 1, columns.size), np.int32)  # others seen so far, by block
        np.cumsum(other_block[:, np.newaxis] == columns, axis=0, out=counts[1:])
        pairs[:, columns] = click_block @ ((counts[below] + counts[through]) / 2.0)
    return pairs


def _ratio(numerator: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(numerator, other, out=np.full(other.shape, np.nan), where=other > 0.0)
