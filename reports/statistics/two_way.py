"""A mean over runs and its error: over draws of the log, else over seeds and test rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from reports.statistics.estimates import NONE, UNKNOWN, Component, Estimate

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

LEAST_POOLED = 3  # models: of two the spread of their difference is all there is
POOLING_LEVEL, NOISY_LEVEL = 0.7, 0.01  # of tests; docs/inference.md has how often all is wrong


def by_draw(values: ArrayLike, draws: ArrayLike) -> NDArray[np.float64]:
    """The means of the draws where there are several, in their order; else the values themselves.

    A draw is a log of its own, with its own users, items, domains and rows: means of different
    draws are independent, and their spread holds what differs between logs, seeds and rows.

    Args:
        values: (..., R) one per run.
        draws: (R,) the number of each run's draw.
    """
    values, draws = np.asarray(values, np.float64), np.asarray(draws)
    different = np.unique(draws)
    if different.size < 2:
        return values
    means = [values[..., draws == draw].mean(axis=-1) for draw in different]
    return np.stack(means, axis=-1)


def own_component(values: NDArray[np.float64]) -> Component:
    """The variance of the mean of (S,) values by their own spread, exactly 0 where all agree."""
    if values.size < 2:
        return UNKNOWN
    shifted = values - values[0]
    return Component(float(shifted.var(ddof=1)) / values.size, values.size - 1)


def pooled_component(table: NDArray[np.float64]) -> Component:
    """The variance of the mean difference of two models, by the spread of all models of a table.

    It is 2 / S times the residual mean square of M models and S replicates, a two-way layout
    without repetition, with (M - 1)(S - 1) degrees of freedom. Models need not be alike in their
    spread. So a third model that has more of it than the others is left out, one after the other
    (F test of its part of the residual at `NOISY_LEVEL`); and where the difference's own part is
    larger than the rest (at `POOLING_LEVEL`), it alone is used. On tests that decide on pooling:
    Bancroft, Biometrics 20 (1964).

    Args:
        table: (M, S), the two models first.
    """
    own = own_component(table[0] - table[1])
    num = table.shape[1]
    if num < 2 or len(table) < LEAST_POOLED:
        return own
    shifted = table - table[0]
    shifted = shifted - shifted[:, :1]  # exactly 0 where models differ by constants
    while len(shifted) > LEAST_POOLED:
        without = [np.delete(shifted, third, axis=0) for third in range(2, len(shifted))]
        rest = min(without, key=_residual)
        part = _residual(shifted) - _residual(rest)
        if not _is_larger(part, _residual(rest), len(shifted), num, NOISY_LEVEL):
            break
        shifted = rest
    num_models, total = len(shifted), _residual(shifted)
    of_own = own.variance * num * (num - 1) / 2.0
    if _is_larger(of_own, max(total - of_own, 0.0), num_models, num, POOLING_LEVEL):
        return own
    freedom = (num_models - 1) * (num - 1)
    return Component(2.0 * total / freedom / num, freedom)


def _residual(table: NDArray[np.float64]) -> float:
    """The residual sum of squares of a two-way layout without repetition."""
    centred = table - table.mean(axis=0)
    return float(((centred - centred.mean(axis=1, keepdims=True)) ** 2).sum())


def _is_larger(part: float, rest: float, num_models: int, num: int, level: float) -> bool:
    """Whether one model's, or one difference's, part of the residual is larger than the rest."""
    freedom = (num_models - 2) * (num - 1)
    least = float(stats.f.isf(level, num - 1, freedom))
    return part / (num - 1) > least * rest / freedom


def tuning_component(differences: NDArray[np.float64]) -> Component:
    """The variance of the difference of two models that their tuned values add, from two searches.

    A search moves the mean of each model by a chance of its own. The differences between the runs
    with the values of one search and of another hold it twice, beside the noise of training: the
    mean square of models less the residual one, over 2 S, is its variance, 0 at least, and a
    difference of two models holds it twice. What all models have in common cancels.

    Args:
        differences: (M, S) per model and replicate; of fewer than two of either it is unknown.
    """
    num_models, num = differences.shape
    if min(num_models, num) < 2 or not np.isfinite(differences).all():
        return UNKNOWN
    centred = differences - differences.mean(axis=0)
    means = centred.mean(axis=1)
    residual = centred - means[:, np.newaxis]
    freedom = num_models - 1
    of_models = num * float((means**2).sum()) / freedom
    of_noise = float((residual**2).sum()) / (freedom * (num - 1))
    return Component(max(of_models - of_noise, 0.0) / num, freedom)


def two_way_estimate(
    values: NDArray[np.float64],
    rows: Callable[[], Component],
    draws: ArrayLike | None = None,
    *,
    table: NDArray[np.float64] | None = None,
    tuning: Component = NONE,
) -> Estimate:
    """The mean over runs, with an error for other draws, or for other seeds and other rows.

    Of several draws it is the mean of their means, and the spread of these holds what differs
    between rows. Of one draw, and of a real log, the spread of the seeds holds what differs from
    seed to seed, and `rows` is what all seeds share.

    Args:
        values: (R,) one per run.
        rows: gives the component of the rows of one log; asked only where it counts.
        draws: (R,) the number of each run's draw; by default all are of one.
        table: (M, R) the values of the models over which the spread is pooled, `values` being the
            differences of its first two; without it the spread is that of the values alone.
        tuning: the component of the tuned values.
    """
    draws = np.zeros(values.size) if draws is None else np.asarray(draws)
    means = by_draw(values, draws)
    mean = float(means.mean()) if means.size else np.nan
    if means.size < 2 or np.isnan(mean):
        return Estimate(mean, means.size, UNKNOWN)
    own = own_component(means) if table is None else pooled_component(by_draw(table, draws))
    of_rows = NONE if np.unique(draws).size > 1 else rows()
    return Estimate(mean, means.size, own, of_rows, tuning)
