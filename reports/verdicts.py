"""The rule by which a claim of the paper is judged, the same for all claims.

A claim is broken into contrasts, each a difference of which the paper says that it is positive, or
that it is about zero. Intervals are corrected for the number of contrasts of the claim
(Bonferroni), so that a claim with many of them is not found wrong, or right, by chance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import stats

from reports.capped import MOST_CAPPED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reports.stats import Interval

Outcome = Literal["yes", "no", "open"]
Expected = Literal["above", "not above", "equal"]

LEVEL = 0.05  # of a claim
MOST_NEEDED = 1_000  # seeds or draws that an estimate is worth printing for
MARGIN = 0.001  # of AUC and GAUC: differences within it count as none
TAGS = {  # outcome -> on real logs, on generated ones
    "yes": ("reproduced", "holds in this world"),
    "no": ("not reproduced", "does not hold in this world"),
    "open": ("inconclusive", "inconclusive"),
}
NOT_TESTABLE = "not testable here"
RULE = (
    "The rule: a claimed gain is reproduced if its corrected interval lies above"
    " 0; else not reproduced if the interval lies below half the paper's difference, or below"
    f" {MARGIN / 2:g} of AUC or GAUC (0 of other quantities) where the paper prints no gain; else"
    " inconclusive. That something does not gain is judged the other way round. That two things are"
    " about equal is reproduced if two one-sided tests place the difference within"
    f" ±{MARGIN:g}, and not reproduced if the interval lies outside. A claim of several parts is"
    " reproduced if all are, and not reproduced if one is not. Intervals are two-way (seeds and"
    " blocks of test rows) unless a row says otherwise, on a generated log of several draws over"
    " the means of its draws, and corrected for the number of parts of the claim (Bonferroni). A"
    f" part that rests on a model of which over {100 * MOST_CAPPED:.0f}% of the runs were stopped"
    " by the cap on epochs is inconclusive. On generated logs a claim can only hold, or not hold,"
    " in that world: in worlds of its kind where there are several draws."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """A difference that the paper says something about, in the direction that it claims.

    `interval` is corrected already, at the level of `corrected_level`. `paper` is the paper's own
    difference, nan where it prints none, and `margin` what counts as a difference, 0 for other
    quantities than AUC and GAUC. A `p_value` of a further test has to be significant too before
    anything is settled. `needs` says what is missing, if the interval is, and `blocked` why nothing
    is settled whatever the interval. `replicates` are the values that the interval is over.
    """

    label: str
    interval: Interval
    paper: float = math.nan
    expected: Expected = "above"
    margin: float = MARGIN
    level: float = 1.0 - LEVEL
    p_value: float = math.nan
    needs: str = ""
    blocked: str = ""
    replicates: str = "seeds"

    @property
    def outcome(self) -> Outcome:
        """Whether this part of the claim is seen, refuted, or open."""
        low, high = self.interval.low, self.interval.high
        if self.blocked or math.isnan(low) or math.isnan(high) or self.p_value >= LEVEL:
            return "open"
        if self.expected == "equal":
            if low > -self.margin and high < self.margin:
                return "yes"
            return "no" if low > self.margin or high < -self.margin else "open"
        is_gain = self.expected == "above"
        if low > 0.0:
            return "yes" if is_gain else "no"
        if high < self.least:
            return "no" if is_gain else "yes"
        return "open"

    @property
    def least(self) -> float:
        """Half the paper's difference, or half of what counts as one."""
        return self.paper / 2.0 if self.paper > 0.0 else self.margin / 2.0

    @property
    def num_needed(self) -> int:
        """About how many `replicates` would settle it, if its spread is theirs.

        The half width, Student's quantile times the standard error, has to fall below the distance
        of the estimate from the nearer bound of the rule. 0 where they would not, and
        `MOST_NEEDED` + 1 where it takes more.
        """
        half, num = (self.interval.high - self.interval.low) / 2.0, self.interval.num
        mean = self.interval.mean
        if self.expected == "equal":
            distance = abs(self.margin - abs(mean))
        else:
            distance = max(mean, self.least - mean)
        if self.blocked or math.isnan(half) or num < 2 or distance <= 0.0:
            return 0
        sizes = np.arange(num, MOST_NEEDED + 1)
        quantiles = stats.t.ppf((1.0 + self.level) / 2.0, sizes - 1)
        halves = half * quantiles / quantiles[0] * np.sqrt(num / sizes)
        enough = sizes[halves < distance]
        return int(enough[0]) if enough.size else MOST_NEEDED + 1


def corrected_level(num_contrasts: int, expected: Expected = "above") -> float:
    """The level of each interval of a claim of so many contrasts.

    Two one-sided tests at a level are an interval of 1 minus twice that level.
    """
    tails = 2.0 if expected == "equal" else 1.0
    return 1.0 - tails * LEVEL / max(num_contrasts, 1)


def outcome_of(contrasts: Sequence[Contrast]) -> Outcome:
    """That of a claim which says all of these; open where there is none."""
    outcomes = {contrast.outcome for contrast in contrasts}
    if "no" in outcomes:
        return "no"
    return "yes" if outcomes == {"yes"} else "open"


def to_settle(contrasts: Sequence[Contrast]) -> str:
    """What it would take to settle a claim; empty where it is settled."""
    if outcome_of(contrasts) != "open":
        return ""
    open_ones = [contrast for contrast in contrasts if contrast.outcome == "open"]
    reasons = [contrast.blocked or contrast.needs for contrast in open_ones]
    needs = list(dict.fromkeys(filter(None, reasons)))
    hardest = max(open_ones, key=lambda contrast: contrast.num_needed)
    num = hardest.num_needed
    if num:
        count = f"about {num:,}" if num <= MOST_NEEDED else f"more than {MOST_NEEDED}"
        needs.append(f"{count} {hardest.replicates} for the hardest open part")
        if hardest.replicates == "seeds":
            needs[-1] += ", or more test rows where they are the noise"
    return "; ".join(needs)
