"""LogLoss: the cross-entropy of labels and click probabilities in nats, mean over rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from benchmark.metrics._entry import Floats, Metric, RowMean, check_finite


def row_logloss(label: ArrayLike, logit: ArrayLike) -> Floats:
    """Cross-entropy of each row in nats, computed in float64.

    Raises:
        LogitError: a logit is nan or infinite.
    """
    check_finite(logit)
    logit = np.asarray(logit, np.float64)
    loss: Floats = np.logaddexp(0.0, logit) - np.asarray(label, np.float64) * logit
    return loss


_MEAN = RowMean(row_logloss)
METRIC = Metric(
    title="LogLoss",
    of_rows=_MEAN.of_rows,
    by_domain=_MEAN.by_domain,
    influences=_MEAN.influences,
    has_expected=True,
    lower_is_better=True,
    digits=5,
    order=1,
    is_gain=False,
)
