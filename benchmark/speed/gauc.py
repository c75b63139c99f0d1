"""Seconds of GAUC over many domains, against one scikit-learn AUC of the same rows."""

from __future__ import annotations

import statistics

import numpy as np
from sklearn.metrics import roc_auc_score

from benchmark.metrics import group_scores
from benchmark.speed.figures import Measurement, interleaved, ratio

NUM_ROWS = 1_000_000
NUM_DOMAINS = 5_000


def measure() -> list[Measurement]:
    """GAUC of a million rows over 5,000 domains of very different sizes."""
    rng = np.random.default_rng(0)
    label = (rng.random(NUM_ROWS) < 0.05).astype(np.int8)
    logit = (rng.normal(size=NUM_ROWS) + label).astype(np.float32)
    domain = (NUM_DOMAINS * rng.random(NUM_ROWS) ** 2).astype(np.int32)
    acts = {
        "gauc": lambda: group_scores(label, logit, domain).weighted_auc(),
        "sklearn": lambda: roc_auc_score(label, logit),
    }
    seconds = interleaved(acts, rounds=7, repeats=1)
    milliseconds = 1e3 * statistics.median(seconds["sklearn"])
    times = ratio(seconds["gauc"], seconds["sklearn"])
    return [
        Measurement("scikit-learn AUC, 1 million rows", f"{milliseconds:.0f} ms", "the unit"),
        Measurement("GAUC, the same over 5,000 domains", f"{times:.2f} x that", "<= 3"),
    ]
