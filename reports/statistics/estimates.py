"""A mean over runs and the components of its variance: draws of a log, or seeds and test rows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, stats

from reports.statistics.paired_tests import LEVEL, POWER, Interval, detectable_errors

FREEDOM_DIGITS = 1  # of the degrees of freedom behind a detectable difference
LEAST_TAIL = 1e-300
LEAST_POOLED = 3  # models: of two the spread of their difference is all there is
POOLING_LEVEL, NOISY_LEVEL = 0.7, 0.01  # of tests; docs/inference.md has how often all is wrong


@dataclass(frozen=True, slots=True)
class Component:
    """A part of the variance of a mean, and its degrees of freedom; nan where it is unknown."""

    variance: float
    freedom: float


NONE = Component(0.0, math.inf)  # what is no source of variance
UNKNOWN = Component(math.nan, math.nan)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over `num` seeds or draws, and the independent components of its variance.

    `replicates` is what differs between seeds or draws, `rows` what all seeds share, the choice of
    the test rows, and `tuning` the choice of the tuned values. More seeds reduce the first alone.
    Without any variance there is no error: that none was found is no certainty. Intervals end at
    +-`limit`, beyond which no mean can be.
    """

    mean: float
    num: int
    replicates: Component
    rows: Component = NONE
    tuning: Component = NONE
    limit: float = field(default=math.inf, kw_only=True)

    @property
    def error(self) -> float:
        """The standard error; nan where a component is unknown, or where all are 0."""
        variance = self.replicates.variance + self.rows.variance + self.tuning.variance
        return math.sqrt(variance) if variance != 0.0 else math.nan

    @property
    def shared(self) -> float:
        """The standard error that is left however many seeds there are."""
        return math.sqrt(self.rows.variance + self.tuning.variance)

    def critical(self, tail: float) -> float:
        """The number of standard errors that a mean of 0 in truth exceeds with this probability.

        The mean of the components' Student quantiles, weighted by their variances (Cochran and Cox,
        Experimental Designs, 1957). With few degrees of freedom Satterthwaite's approximation is
        exceeded far too often, this one is not.
        """
        parts = self._sources()
        quantiles = stats.t.isf(tail, [part.freedom for part in parts])
        weighted = (part.variance * float(q) for part, q in zip(parts, quantiles, strict=True))
        return sum(weighted) / self.error**2

    def interval(self, level: float = LEVEL) -> Interval:
        """The interval of Cochran and Cox; its bounds are nan without an error."""
        half = self.error * self.critical((1.0 - level) / 2.0)
        found = Interval(self.mean, self.mean - half, self.mean + half, self.num)
        return found.clipped(-self.limit, self.limit)

    @property
    def p_value(self) -> float:
        """Two-sided p of a mean of 0: the level of the interval that ends there; nan without error.

        It lies between those of Student's t with the fewest and the most degrees of freedom.
        """
        if math.isnan(self.error):
            return math.nan
        size = abs(self.mean) / self.error
        low, high = (
            max(float(stats.t.sf(size, freedom)), LEAST_TAIL) for freedom in self._freedoms()[::-1]
        )
        if low == high or self.critical(high) >= size:
            return 2.0 * high
        if self.critical(low) <= size:  # but for rounding it is above
            return 2.0 * low
        tail = optimize.brentq(
            lambda log: self.critical(math.exp(log)) - size, math.log(low), math.log(high)
        )
        return 2.0 * math.exp(tail)

    @property
    def freedom(self) -> float:
        """Degrees of freedom of Student's distribution with the critical value of `LEVEL`."""
        if math.isnan(self.error):
            return math.nan
        tail = (1.0 - LEVEL) / 2.0
        wanted = self.critical(tail)
        low, high = self._freedoms()

        def excess(freedom: float) -> float:
            return float(stats.t.isf(tail, freedom)) - wanted

        if low == high or excess(low) <= 0.0 or excess(high) >= 0.0:
            return low
        return float(optimize.brentq(excess, low, high))

    @property
    def detectable(self) -> float:
        """The least true mean that the p value would find with power `stats.POWER`."""
        if math.isnan(self.error):
            return math.nan
        return detectable_errors(round(self.freedom, FREEDOM_DIGITS)) * self.error

    def reach(self, tail: float) -> float:
        """The least true mean that is found at a one-sided level with `POWER`."""
        return (self.critical(tail) + self.critical(1.0 - POWER)) * self.error

    def over(self, num: int) -> Estimate:
        """The estimate over so many seeds or draws, if they are as different as these."""
        own = self.replicates
        scaled = Component(
            own.variance * self.num / num, own.freedom * (num - 1) / max(self.num - 1, 1)
        )
        return replace(self, num=num, replicates=scaled)

    def _sources(self) -> list[Component]:
        """The components that add to the variance."""
        parts = (self.replicates, self.rows, self.tuning)
        return [part for part in parts if part.variance > 0.0]

    def _freedoms(self) -> tuple[float, float]:
        """The fewest and the most degrees of freedom of a source."""
        freedoms = [part.freedom for part in self._sources()]
        return min(freedoms), max(freedoms)


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
    """True where a model's, or a difference's, part of the residual is larger than the rest."""
    freedom = (num_models - 2) * (num - 1)
    least = float(stats.f.isf(level, num - 1, freedom))
    return part / (num - 1) > least * rest / freedom


def tuning_component(differences: NDArray[np.float64]) -> Component:
    """The variance of the difference of two models that their tuned values add, from two searches.

    A search moves the mean of each model by a chance of its own. The differences between the runs
    with the values of one search and of another hold it twice, beside the noise of training: the
    mean square of models less the residual one, over 2 S, is its variance, 0 at least, and a
    difference of two models holds it twice. A part that all models have in common cancels.

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


def share_of(part: Estimate, whole: Estimate, rest: Estimate) -> Interval:
    """The share theta of a part p in a whole w, `rest` being the estimate of w - p.

    Paper: Fieller: Some problems in interval estimation, Journal of the Royal Statistical Society B
        16 (1954), 175-185.
    Equation: all theta with (p - theta w)^2 <= t^2 (V_p - 2 theta C + theta^2 V_w), where t is
        Student's quantile, V the squared errors, and C = (V_p + V_w - V_rest) / 2 the covariance of
        p and w.
    Deviation: t has the smallest degrees of freedom of the three.
    Deviation: the three errors are estimated apart and need not agree: C is kept within
        +-sqrt(V_p V_w).

    The set is an interval only where w differs from 0 at the level. Else it is unbounded and says
    nothing: the share and its bounds are nan, as they are without an error.
    """
    variance, of_whole, of_rest = (found.error**2 for found in (part, whole, rest))
    freedom = np.min([found.freedom for found in (part, whole, rest)])  # nan if one is
    squared = float(stats.t.ppf((1.0 + LEVEL) / 2.0, freedom)) ** 2
    leading = whole.mean**2 - squared * of_whole  # of theta^2 in the quadratic inequality
    if not leading > 0.0:  # nan too
        return Interval(math.nan, math.nan, math.nan, part.num)
    most = math.sqrt(variance * of_whole)
    covariance = float(np.clip((variance + of_whole - of_rest) / 2.0, -most, most))
    centre = part.mean * whole.mean - squared * covariance
    last = part.mean**2 - squared * variance
    reach = math.sqrt(max(centre**2 - leading * last, 0.0))  # rounding may leave less than 0
    low, high = (centre - reach) / leading, (centre + reach) / leading
    return Interval(part.mean / whole.mean, low, high, part.num)
