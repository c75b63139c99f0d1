"""AUC: the area under the ROC curve of all rows, whatever their domains."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from benchmark.metrics._entry import Floats, Metric
from benchmark.metrics._grouped_auc import group_scores, mean_influences


def auc(label: ArrayLike, logit: ArrayLike, _domain: ArrayLike = ()) -> float:
    """AUC with mid-ranks for ties; nan if there is only one class.

    Of true click probabilities, it is the expected AUC, nan with fewer than two rows.
    """
    scores = group_scores(label, logit, np.broadcast_to(np.int8(0), np.size(label)))
    return float(scores.auc[0]) if scores.auc.size else np.nan


def _by_domain(label: ArrayLike, logit: ArrayLike, domain: ArrayLike, size: int) -> Floats:
    column, scores = np.full(size, np.nan), group_scores(label, logit, domain)
    column[scores.group] = scores.auc
    return column


def _influences(label: ArrayLike, logit: ArrayLike, _domain: ArrayLike) -> Floats:
    everything = np.broadcast_to(np.int8(0), np.size(label))
    return mean_influences(label, logit, everything, everything)


METRIC = Metric(
    title="AUC",
    of_rows=auc,
    by_domain=_by_domain,
    influences=_influences,
    has_expected=True,
    widest=1.0,
    order=2,
)
