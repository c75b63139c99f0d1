"""Intervals of ranks: what the order of models owes to draws, or to seeds and test rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from reports.statistics.estimates import by_draw
from reports.statistics.paired_tests import LEVEL

RESAMPLES = 1_000
SEED = 20_220_613
_CHUNK = 50  # resamples of rows at a time


def rank_intervals(
    values: NDArray[np.float64],
    draws: ArrayLike,
    rows: tuple[NDArray[np.float64], Sequence[NDArray[np.integer]]] | None,
) -> NDArray[np.float64]:
    """The percentile intervals (M, 2) of the ranks of M models by a bootstrap; 1 is the highest.

    Of several draws of a log the draws are resampled, whose means hold what differs from draw to
    draw, seeds and rows too. Of one log the runs are, jointly for all models, as runs of one seed
    are pairs, and the test rows: a cell of rows counts as often as the product of the times that
    each of its clusters was drawn (the pigeonhole bootstrap; Owen, Annals of Applied Statistics 1,
    2007). Equal values share their mean rank.

    Args:
        values: (M, R) a score of each model and run, higher being better.
        draws: (R,) the draw of each run.
        rows: (M, C) the influence of each cell of test rows on a model's score, and (C,) per way
            in which cells belong together; None for several draws.
    """
    generator = np.random.default_rng(SEED)
    table = by_draw(values, draws)
    picked = generator.integers(0, table.shape[1], (RESAMPLES, table.shape[1]))
    means = table[:, picked].mean(axis=2)  # (M, resamples)
    if rows is not None:
        means = means + _of_rows(generator, *rows)
    ranks = stats.rankdata(-means, axis=0)
    tail = (1.0 - LEVEL) / 2.0
    low_high: NDArray[np.float64] = np.quantile(ranks, [tail, 1.0 - tail], axis=1).T
    return low_high


def _of_rows(
    generator: np.random.Generator,
    influences: NDArray[np.float64],
    groupings: Sequence[NDArray[np.integer]],
) -> NDArray[np.float64]:
    """The changes (M, resamples) of scores by other test rows."""
    codes = [np.unique(grouping, return_inverse=True)[1] for grouping in groupings]
    found = []
    for _ in range(0, RESAMPLES, _CHUNK):
        times = np.ones((_CHUNK, influences.shape[1]))
        for code in codes:
            num = int(code.max()) + 1
            times *= generator.multinomial(num, np.full(num, 1.0 / num), _CHUNK)[:, code]
        found.append(influences @ (times - 1.0).T)
    return np.concatenate(found, axis=1)
