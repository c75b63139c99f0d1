"""Intervals and tests of paired differences: one difference per seed, or per draw of a log."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, stats
from statsmodels.stats.multitest import multipletests

from reports.analysis_plan import ANALYSIS

LEVEL = ANALYSIS.levels.interval
TEST_LEVEL = ANALYSIS.levels.test  # two-sided
POWER = ANALYSIS.levels.power
LEAST_RANKED = 6  # differences: with fewer no signed-rank test reaches `TEST_LEVEL`
ENDS = ("mean", "low", "high")  # of an interval
QUANTILES = 10_000  # over which the power of a test is averaged


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate between two bounds; `num` is the number of values behind it."""

    mean: float
    low: float
    high: float
    num: int

    def clipped(self, low: float, high: float) -> Interval:
        """The interval with its ends between two numbers."""
        lowest, highest = (float(np.clip(end, low, high)) for end in (self.low, self.high))
        return Interval(self.mean, lowest, highest, self.num)

    def times(self, unit: float) -> Interval:
        """The interval in another unit."""
        return Interval(self.mean * unit, self.low * unit, self.high * unit, self.num)

    def named(self, name: str) -> dict[str, object]:
        """The columns `<name>_mean`, `_low` and `_high` of a table."""
        return {f"{name}_{end}": getattr(self, end) for end in ENDS}


NO_INTERVAL = Interval(np.nan, np.nan, np.nan, 0)


def paired_interval(
    deltas: ArrayLike, level: float = LEVEL, *, limit: float = math.inf
) -> Interval:
    """The t interval of the mean of differences that were taken seed by seed.

    One undefined difference makes all undefined; the bounds are nan below two differences, and
    where all are equal, which is no certainty. They end at +-`limit`, beyond which no mean can be.
    """
    values = np.asarray(deltas, np.float64)
    if values.size == 0:
        return NO_INTERVAL
    mean = float(values.mean())
    if values.size < 2:
        return Interval(mean, np.nan, np.nan, 1)
    half = float(stats.t.ppf((1.0 + level) / 2.0, values.size - 1)) * _standard_error(values)
    return Interval(mean, mean - half, mean + half, values.size).clipped(-limit, limit)


def over_draws(intervals: Sequence[Interval]) -> Interval:
    """The interval of one draw as it is; of several the t interval of the mean of their means."""
    if len(intervals) == 1:
        return intervals[0]
    return paired_interval([interval.mean for interval in intervals])


def paired_p_value(deltas: ArrayLike) -> float:
    """The two-sided p value of the paired t test; nan below two differences.

    Differences that are all equal have no spread to judge them by: nan too.
    """
    values = np.asarray(deltas, np.float64)
    if values.size < 2 or np.isnan(values).any():
        return np.nan
    error = _standard_error(values)
    return float(2.0 * stats.t.sf(abs(values.mean()) / error, values.size - 1))


def wilcoxon_p_value(deltas: ArrayLike) -> float:
    """The two-sided p value of Wilcoxon's signed-rank test; nan below `LEAST_RANKED` differences.

    Differences of 0 are dropped, as Wilcoxon did; where all are 0 it is 1.
    """
    values = np.asarray(deltas, np.float64)
    if values.size < LEAST_RANKED or np.isnan(values).any():
        return np.nan
    if not values.any():
        return 1.0
    return float(stats.wilcoxon(values[values != 0.0]).pvalue)


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Holm's correction of a family of p values: below a level means significant at that level.

    Undefined ones stay so and are not part of the family.
    """
    values = np.asarray(p_values, np.float64)
    corrected = np.full(values.shape, np.nan)
    defined = ~np.isnan(values)
    if defined.any():
        corrected[defined] = multipletests(values[defined], method="holm")[1]
    return corrected


def minimum_detectable(deltas: ArrayLike) -> float:
    """The least true mean difference that the paired t test would find with `POWER`.

    For normal differences with the spread of these; nan below two.
    """
    values = np.asarray(deltas, np.float64)
    if values.size < 2:
        return np.nan
    return detectable_errors(values.size - 1) * _standard_error(values)


def _standard_error(values: NDArray[np.float64]) -> float:
    """The standard error of the mean; nan for equal values."""
    if (values == values[0]).all():
        return np.nan
    return float(values.std(ddof=1)) / float(np.sqrt(values.size))


@cache
def detectable_errors(degrees: float) -> float:
    """The mean that a t test with so many degrees of freedom detects, in standard errors.

    The power is a mean over quantiles of the sample spread: libraries' non-central t distribution
    fails at the few degrees of freedom that a few seeds have.
    """
    quantiles = (np.arange(QUANTILES) + 0.5) / QUANTILES
    spread = np.sqrt(stats.chi2.ppf(quantiles, degrees) / degrees)
    critical = float(stats.t.ppf(1.0 - TEST_LEVEL / 2.0, degrees))

    def missing_power(shift: float) -> float:
        above = stats.norm.sf(critical * spread - shift)
        below = stats.norm.cdf(-critical * spread - shift)
        return float((above + below).mean()) - POWER

    return float(optimize.brentq(missing_power, 0.0, 10.0 * critical))


@dataclass(frozen=True, slots=True)
class AucContrast:
    """A difference of AUCs and its variance over test rows; nan below two rows of a class."""

    delta: float
    variance: float

    @property
    def p_value(self) -> float:
        """The two-sided p of a difference of 0; without any variance 1 if it is 0, else 0."""
        if self.variance == 0.0:
            return 1.0 if self.delta == 0.0 else 0.0
        return float(2.0 * stats.norm.sf(abs(self.delta) / np.sqrt(self.variance)))


def contrast(
    label: ArrayLike, left: NDArray[np.float64], right: NDArray[np.float64]
) -> AucContrast:
    """The mean AUC of some models minus that of others, for given models and random test rows.

    Each side is given by the mean of its models' `placements` (N,) of the same rows. A mean of AUCs
    is a linear contrast of correlated AUCs, of which DeLong's variance needs the mean placements
    alone: so what models share in their rows is part of it, and no independence of seeds is
    assumed. Rows are taken as
    independent, those of one user or time too.
    """
    is_click = np.asarray(label, bool)
    shares = left - right
    clicks, others = shares[is_click], shares[~is_click]
    if min(clicks.size, others.size) < 2:
        return AucContrast(np.nan, np.nan)
    variance = clicks.var(ddof=1) / clicks.size + others.var(ddof=1) / others.size
    return AucContrast(float(clicks.mean()), float(variance))
