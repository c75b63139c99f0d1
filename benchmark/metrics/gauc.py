"""GAUC: the AUC within domains, mean weighted by impressions."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from benchmark.metrics._entry import Floats, Metric
from benchmark.metrics._grouped_auc import group_scores, mean_influences


def gauc(label: ArrayLike, logit: ArrayLike, domain: ArrayLike) -> float:
    """GAUC over all domains with both classes; nan if none has."""
    return group_scores(label, logit, domain).weighted_auc()


def _influences(label: ArrayLike, logit: ArrayLike, domain: ArrayLike) -> Floats:
    return mean_influences(label, logit, domain, np.broadcast_to(np.int8(0), np.size(label)))


METRIC = Metric(
    title="GAUC", of_rows=gauc, influences=_influences, has_expected=True, widest=1.0, order=3
)
