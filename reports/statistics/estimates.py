"""A mean and the components of its variance: intervals and tests that few replicates allow."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from scipy import optimize, stats

from reports.statistics.paired_tests import LEVEL, POWER, Interval, detectable_errors

FREEDOM_DIGITS = 1  # of the degrees of freedom behind a detectable difference
LEAST_TAIL = 1e-300


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
        """How many standard errors the mean exceeds with this probability, if it is 0 in truth.

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
        """Two-sided, of a mean of 0: the level at which the interval ends there; nan without error.

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
        """Those of the Student distribution that has the critical value of `LEVEL` intervals."""
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
        """How large a true mean has to be to be found at a one-sided level with `stats.POWER`."""
        return (self.critical(tail) + self.critical(1.0 - POWER)) * self.error

    def over(self, num: int) -> Estimate:
        """What it would be over so many seeds or draws, if they are as different as these."""
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
