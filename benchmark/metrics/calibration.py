"""Calibration: mean predicted over mean observed click rate."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from benchmark.metrics._entry import Metric, probability


def calibration(label: ArrayLike, logit: ArrayLike, _domain: ArrayLike = ()) -> float:
    """Predicted over observed click rate of all rows; nan without a click."""
    observed = float(np.mean(np.asarray(label, np.float64))) if np.size(label) else 0.0
    return float(probability(logit).mean() / observed) if observed > 0.0 else np.nan


METRIC = Metric(title="Calibration", of_rows=calibration, is_score=False)
