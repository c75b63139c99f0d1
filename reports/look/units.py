"""The units in which differences of metrics are shown, in words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from benchmark.metrics import Metric


def units_text(metrics: Iterable[Metric]) -> str:
    """`0.0001`, or `0.0001 (AUC, GAUC) and 0.01 (Brier)` of metrics with several units."""
    titles = defaultdict(list)
    for metric in metrics:
        titles[np.format_float_positional(metric.difference_unit, trim="-")].append(metric.title)
    if len(titles) == 1:
        return next(iter(titles))
    return " and ".join(f"{unit} ({', '.join(own)})" for unit, own in titles.items())
