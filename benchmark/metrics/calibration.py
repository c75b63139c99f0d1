"""Calibration: mean predicted over mean observed click rate."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from benchmark.metrics._entry import Metric, RowMean, probability

_PREDICTED = RowMean(lambda _label, logit: probability(logit))


def calibration(label: ArrayLike, logit: ArrayLike, _domain: ArrayLike = ()) -> float:
    """Predicted over observed click rate of all rows; nan without a click."""
    observed = float(np.mean(np.asarray(label), dtype=np.float64)) if np.size(label) else 0.0
    return _PREDICTED.of_rows(label, logit) / observed if observed > 0.0 else np.nan


METRIC = Metric(title="Calibration", of_rows=calibration, is_score=False)
