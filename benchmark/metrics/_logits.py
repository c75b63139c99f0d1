"""Logits that have metrics, and the probabilities that they stand for."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from benchmark.metrics._entry import Floats


class LogitError(ValueError):
    """Scores that are nan or infinite: every metric of them would be a number without meaning."""


def check_finite(score: ArrayLike) -> None:
    """Refuse scores that cannot be ordered.

    Raises:
        LogitError: some are nan or infinite.
    """
    score = np.asarray(score)
    broken = score.size - int(np.count_nonzero(np.isfinite(score)))
    if broken:
        raise LogitError(
            f"{broken:,} of {score.size:,} logits are nan or infinite: they have no metric"
        )


def probability(logit: ArrayLike) -> Floats:
    """The sigmoid in float64, without overflow.

    Raises:
        LogitError: a logit is nan or infinite.
    """
    check_finite(logit)
    logit = np.asarray(logit, np.float64)
    p: Floats = np.exp(-np.logaddexp(0.0, -logit))
    return p
