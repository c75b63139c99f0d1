"""Macro AUC: the AUC within domains, plain mean."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from benchmark.metrics._entry import Metric
from benchmark.metrics._grouped_auc import group_scores


def macro_auc(label: ArrayLike, logit: ArrayLike, domain: ArrayLike) -> float:
    """Mean AUC over all domains with both classes; nan if none has."""
    scores = group_scores(label, logit, domain)
    return float(scores.auc[scores.is_defined].mean()) if scores.is_defined.any() else np.nan


METRIC = Metric(title="Macro AUC", of_rows=macro_auc, widest=1.0, is_score=False)
