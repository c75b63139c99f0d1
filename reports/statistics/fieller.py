"""The share of a part in a whole, both estimated, with Fieller's confidence set."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from reports.statistics.paired_tests import LEVEL, Interval

if TYPE_CHECKING:
    from reports.statistics.estimates import Estimate


def share_of(part: Estimate, whole: Estimate, rest: Estimate, level: float = LEVEL) -> Interval:
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
    squared = float(stats.t.ppf((1.0 + level) / 2.0, freedom)) ** 2
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
