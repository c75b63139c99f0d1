"""A mean over runs and its error: over draws of the log, else over seeds and units of the rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from reports.stats import LEVEL, Interval, detectable_errors

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

FREEDOM_DIGITS = 1  # of the degrees of freedom behind a detectable difference


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over `num` draws or seeds, its standard error and degrees of freedom.

    The last two are nan below two of them, and where no error was found, which is no certainty:
    where values agree and their rows seem to add nothing. `shared` is the part of the error that
    all seeds share, that of the rows; more seeds do not reduce it. Intervals end at +-`limit`,
    beyond which no mean can be.
    """

    mean: float
    error: float
    freedom: float
    num: int
    shared: float = 0.0
    limit: float = math.inf

    def interval(self, level: float = LEVEL) -> Interval:
        """The t interval; its bounds are nan without an error."""
        half = self.error * float(stats.t.ppf((1.0 + level) / 2.0, self.freedom))
        found = Interval(self.mean, self.mean - half, self.mean + half, self.num)
        return found.clipped(-self.limit, self.limit)

    @property
    def p_value(self) -> float:
        """Two-sided, of a mean of 0; nan without an error."""
        return float(2.0 * stats.t.sf(abs(self.mean) / self.error, self.freedom))

    @property
    def detectable(self) -> float:
        """The least true mean that the p value would find with power `stats.POWER`."""
        if math.isnan(self.error):
            return math.nan
        return detectable_errors(round(self.freedom, FREEDOM_DIGITS)) * self.error


def by_draw(values: ArrayLike, draws: ArrayLike) -> NDArray[np.float64]:
    """The means of the draws where there are several, in their order; else the values themselves.

    A draw is a log of its own, with its own users, items, domains and rows: means of different
    draws are independent, and their spread holds what differs between logs, seeds and rows.

    Args:
        values: (R,) one per run.
        draws: (R,) the number of each run's draw.
    """
    values, draws = np.asarray(values, np.float64), np.asarray(draws)
    different = np.unique(draws)
    if different.size < 2:
        return values
    return np.array([values[draws == draw].mean() for draw in different])


def two_way_estimate(
    values: NDArray[np.float64],
    resampled: NDArray[np.float64],
    num_units: int,
    draws: ArrayLike | None = None,
) -> Estimate:
    """The mean over runs, with an error for other draws, or for other seeds and other units.

    Of several draws it is the mean of their means, and its error is their spread alone. Of one
    draw, and of a real log, the variance of the mean has two parts. That of the seeds' values holds
    what differs from seed to seed, whether in all units or in single ones. What all seeds share,
    the choice of the units, is the mean covariance of two seeds' values over resamples of the
    units. Their sum is used with the degrees of freedom of Welch and Satterthwaite: to resample a
    few seeds would make intervals far too narrow.

    Args:
        values: (S,) one per run.
        resampled: (B, S) the same in resamples of the units; rows with a nan are left out.
        num_units: how many units there are.
        draws: (S,) the number of each run's draw; by default all are of one.
    """
    num_seeds = values.size
    if draws is not None and np.unique(draws).size > 1:
        return estimate_of(by_draw(values, draws), 0.0, num_units)
    if num_seeds < 2:
        return estimate_of(values, 0.0, num_units)
    defined = resampled[~np.isnan(resampled).any(axis=1)]
    if len(defined) < 2:
        return Estimate(float(values.mean()), np.nan, np.nan, num_seeds)
    shifted = defined - defined[0]  # exactly 0 where all resamples agree
    covariance = np.cov(shifted, rowvar=False)  # (S, S)
    shared = (covariance.sum() - np.trace(covariance)) / (num_seeds * (num_seeds - 1))
    return estimate_of(values, max(float(shared), 0.0), num_units)


def two_way_interval(
    values: NDArray[np.float64], resampled: NDArray[np.float64], num_units: int
) -> Interval:
    """The interval of `two_way_estimate`."""
    return two_way_estimate(values, resampled, num_units).interval()


def estimate_of(values: NDArray[np.float64], of_units: float, num_units: int) -> Estimate:
    """A mean over seeds, `of_units` being the variance that all seeds share."""
    num_seeds = values.size
    mean = float(values.mean()) if num_seeds else np.nan
    if num_seeds < 2:
        return Estimate(mean, np.nan, np.nan, num_seeds)
    of_seeds = 0.0 if (values == values[0]).all() else float(values.var(ddof=1)) / num_seeds
    variance = of_seeds + of_units
    if variance == 0.0:
        return Estimate(mean, np.nan, np.nan, num_seeds)
    freedom = variance**2 / (of_seeds**2 / (num_seeds - 1) + of_units**2 / max(num_units - 1, 1))
    return Estimate(mean, float(np.sqrt(variance)), freedom, num_seeds, float(np.sqrt(of_units)))
