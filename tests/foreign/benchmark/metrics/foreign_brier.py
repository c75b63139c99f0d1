"""Brier score: the mean squared error of the click probability."""

from __future__ import annotations

import numpy as np

from benchmark.metrics import Metric, probability


def brier(label, logit, domain) -> float:
    """The mean over all rows, nan without rows."""
    return float(np.mean((probability(logit) - label) ** 2)) if len(label) else np.nan


METRIC = Metric(
    title="Brier",
    of_rows=brier,
    lower_is_better=True,
    widest=1.0,
    difference_unit=1e-5,
    digits=5,
)
