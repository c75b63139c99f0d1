"""The rule by which a claim of the paper is judged, the same for all claims.

A claim is broken into contrasts, each a difference of which the paper says that it is positive, or
that it is about zero. It holds if all of them are seen, which is an intersection-union test: each
is tested at the level of the claim, and no correction is needed (Berger, 1982). It fails if one of
them is refuted, which many contrasts would be by chance: those tests share the level (Bonferroni).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from scipy import stats

from reports.analysis_plan import ANALYSIS
from reports.reading.exclusions import MOST_CAPPED
from reports.reading.keys import Family
from reports.statistics.estimates import NONE, UNKNOWN, Component, Estimate
from reports.statistics.paired_tests import POWER, Interval

Outcome = Literal["yes", "no", "open"]
Expected = Literal["above", "equal"]
BudgetSize = Literal["none", "small", "full"]  # of what verdicts rest on

LEVEL = ANALYSIS.levels.claim  # one-sided
SHOWN_LEVEL = 1.0 - 2.0 * LEVEL  # of the interval by which a part is seen
METRICS = ("auc", "gauc")  # of which differences are judged
COUNTED = "times"  # the unit of what follows from counts alone, on every log
MOST_NEEDED = 1_000  # seeds or draws that an estimate is worth printing for
MARGIN, NOTHING = ANALYSIS.margins.equal, ANALYSIS.margins.nothing  # of AUC and GAUC
LEAST_TRIALS, LEAST_REPLICATES = ANALYSIS.budget.trials, ANALYSIS.budget.replicates
TAGS = {  # outcome -> on real logs, on generated ones
    "yes": ("reproduced", "holds in this world"),
    "no": ("not reproduced", "does not hold in this world"),
    "open": ("inconclusive", "inconclusive"),
}
SMALL_TAGS: dict[Outcome, str] = {
    "yes": "seen at this budget",
    "no": "not seen at this budget",
    "open": "inconclusive",
}
NO_VERDICT = "no verdict at this preset"
NOT_TESTABLE = "not testable here"
NOT_RUN = "study not run"
RULE = (
    "The rule. A claimed gain is seen if its interval lies above 0, and refuted if its corrected"
    f" interval lies below {NOTHING:g} of AUC or GAUC (0 of other quantities), whatever size the"
    " paper prints. That two things are about equal is seen if the interval lies within"
    f" ±{MARGIN:g}, and refuted if the corrected one lies outside. A claim of several parts is"
    " reproduced if all are seen, each at the level of 5% (one-sided: intervals of 90%), and not"
    " reproduced if one is refuted, at 5% of all parts together (Bonferroni: corrected intervals);"
    " else it is inconclusive. Intervals are two-way (seeds, and test rows in blocks of time"
    " and users) and hold what tuning varies where models were searched twice, unless a row says"
    " otherwise; on a generated log of several draws they are over the means of its draws. A part"
    " is inconclusive that rests on a model of which over"
    f" {100 * MOST_CAPPED:.0f}% of the runs were"
    " stopped by the cap on epochs, on AdaSparse beyond the bounds of sparsity that it speaks of,"
    " or on a log, or a group of domains, with too few rows of a class. On generated logs a claim"
    " can only hold, or not hold, in that world: in worlds of its kind where there are several"
    " draws. With fewer than"
    f" {LEAST_TRIALS} trials of tuning, values tuned elsewhere, or fewer than {LEAST_REPLICATES}"
    " seeds or draws, a claim is only seen, or not seen, at this budget."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A difference that the paper says something about, in the direction that it claims.

    `measure` gives its interval at a level, for `replicates`; `estimate` is what the interval is
    made of, if it is not Student's of their mean. `unit` is the metric of a difference, else
    what `measure` counts in: `COUNTED` are powers of ten of a multiple of `limit`. `paper` is the
    paper's own difference, nan where it prints none, for readers alone. A `p_value` of a further
    test has to be known and significant too before anything is settled. `needs` says what a missing
    interval takes, and `blocked` why nothing is settled whatever the interval. `family` is the
    log that it is on, if that is not the claim's.
    """

    label: str
    measure: Callable[[float], Interval]
    paper: float = math.nan
    expected: Expected = "above"
    unit: str = "auc"
    limit: float = 1.0
    p_value: float | None = None
    needs: str = ""
    blocked: str = ""
    replicates: str = "seeds"
    estimate: Estimate | None = None
    family: Family | None = None

    @property
    def margin(self) -> float:
        """The least difference of AUC and GAUC that counts; 0 for other quantities."""
        return MARGIN if self.unit in METRICS else 0.0

    def among(self, num_parts: int) -> JudgedPart:
        """The part as one of so many of a claim."""
        level = 1.0 - 2.0 * LEVEL / max(num_parts, 1)
        return JudgedPart(self, self.measure(SHOWN_LEVEL), self.measure(level), level)


@dataclass(frozen=True, slots=True)
class JudgedPart:
    """One of several parts of a claim, with the intervals by which it is judged.

    `interval` is of `SHOWN_LEVEL`, by which a part is seen; `corrected`, of `corrected_level`, is
    the one by which it is refuted.
    """

    part: Part
    interval: Interval
    corrected: Interval
    corrected_level: float

    @property
    def outcome(self) -> Outcome:
        """The outcome of the part: seen, refuted, or open."""
        fails_test = self.part.p_value is not None and not self.part.p_value < LEVEL
        if self.part.blocked or math.isnan(self.interval.low) or fails_test:
            return "open"
        return "yes" if self._is_seen else "no" if self._is_refuted else "open"

    @property
    def needs(self) -> str:
        """The runs that an interval takes; empty where there is one."""
        return self.part.needs if math.isnan(self.interval.low) else ""

    @property
    def nothing(self) -> float:
        """The bound that a gain has to reach."""
        return NOTHING if self.part.margin else 0.0

    @property
    def _is_seen(self) -> bool:
        low, high = self.interval.low, self.interval.high
        if self.part.expected == "equal":
            return -self.part.margin < low and high < self.part.margin
        return low > 0.0

    @property
    def _is_refuted(self) -> bool:
        low, high = self.corrected.low, self.corrected.high
        if self.part.expected == "equal":
            return low > self.part.margin or high < -self.part.margin
        return high < self.nothing

    @property
    def num_needed(self) -> int:
        """About how many `replicates` would settle it with a power of `stats.POWER`.

        The true difference is taken to be the estimate, and the spread that of these replicates.
        The quantiles of the test and of the power, times the standard error, have to fall below the
        distance of the estimate from the bound that settles it. 0 where no number would do, as
        where the test rows alone are the noise, and `MOST_NEEDED` + 1 where it takes more.
        """
        found = self._found
        if self.part.blocked or math.isnan(found.error):
            return 0
        sizes = range(found.num, MOST_NEEDED + 1)
        needed = [
            sizes.start + bisect_left(sizes, True, key=lambda num: _is_found(found.over(num), *way))
            for way in self._ways()
            if self._limit is None or _is_found(self._limit, *way)
        ]
        return min(needed, default=0)

    @property
    def noise(self) -> str:
        """The source of noise where more replicates would never settle the part."""
        limit = self._limit
        if self.part.blocked or limit is None or self.num_needed or not self._ways():
            return ""
        return "searches" if limit.tuning.variance > limit.rows.variance else "test rows"

    @property
    def _found(self) -> Estimate:
        """The estimate behind the interval."""
        if self.part.estimate is not None:
            return self.part.estimate
        mean, num = self.interval.mean, self.interval.num
        half = (self.interval.high - self.interval.low) / 2.0
        if num < 2:
            return Estimate(mean, num, UNKNOWN)
        error = half / float(stats.t.ppf(1.0 - LEVEL, num - 1))
        return Estimate(mean, num, Component(error**2, num - 1))

    @property
    def _limit(self) -> Estimate | None:
        """The estimate with any number of replicates; None if no error would be left."""
        found = self._found
        return replace(found, replicates=NONE) if found.shared > 0.0 else None

    def _ways(self) -> list[tuple[float, float]]:
        """The ways to settle it: how far the estimate is from a bound, and the level of the test.

        To be seen, or to be refuted; an estimate on the wrong side of a bound is no way.
        """
        mean, corrected = self.interval.mean, (1.0 - self.corrected_level) / 2.0
        if self.part.expected == "equal":
            seen, refuted = self.part.margin - abs(mean), abs(mean) - self.part.margin
        else:
            seen, refuted = mean, self.nothing - mean
        ways = [(seen, LEVEL), (refuted, corrected)]
        return [(distance, tail) for distance, tail in ways if distance > 0.0]


def _is_found(estimate: Estimate, distance: float, tail: float) -> bool:
    """True where a difference so far from a bound is found with `POWER`."""
    return estimate.reach(tail) < distance


def outcome_of(parts: Sequence[JudgedPart]) -> Outcome:
    """The outcome of a claim that says all of these parts; open where there is none."""
    outcomes = {one.outcome for one in parts}
    if "no" in outcomes:
        return "no"
    return "yes" if outcomes == {"yes"} else "open"


def words_of(outcome: Outcome, budget: BudgetSize, *, is_generated: bool) -> str:
    """The verdict in words, which say no more than the budget allows."""
    if budget == "none":
        return NO_VERDICT
    return SMALL_TAGS[outcome] if budget == "small" else TAGS[outcome][is_generated]


def to_settle(parts: Sequence[JudgedPart]) -> str:
    """The runs that would settle a claim, in words; empty where it is settled."""
    if outcome_of(parts) != "open":
        return ""
    open_ones = [one for one in parts if one.outcome == "open"]
    reasons = [one.part.blocked or one.needs for one in open_ones]
    needs = list(dict.fromkeys(filter(None, reasons)))
    needs += [
        f"more {noise}, which are the noise of an open part however many {kind}"
        for noise, kind in dict.fromkeys((one.noise, one.part.replicates) for one in open_ones)
        if noise
    ]
    hardest = max(open_ones, key=lambda one: one.num_needed)
    if num := hardest.num_needed:
        count = f"about {num:,}" if num <= MOST_NEEDED else f"more than {MOST_NEEDED:,}"
        needs.append(
            f"{count} {hardest.part.replicates} for the hardest open part, to settle it with a"
            f" power of {POWER:.0%}"
        )
    return "; ".join(needs)
