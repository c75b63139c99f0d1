"""Metrics of logits: each is a file of this folder that exports `METRIC`, and has its name."""

from __future__ import annotations

import importlib
import pkgutil

import numpy as np
from numpy.typing import ArrayLike

from benchmark.metrics._entry import Floats, LogitError, Metric, RowMean, check_finite, probability
from benchmark.metrics._grouped_auc import group_counts, group_scores, mean_influences, placements

__all__ = [
    "EXPECTED_SCORES",
    "GAINS",
    "METRICS",
    "SCORES",
    "LogitError",
    "Metric",
    "RowMean",
    "check_finite",
    "domain_metrics",
    "evaluate",
    "expected_domain_metrics",
    "expected_scores",
    "group_scores",
    "mean_influences",
    "metric_of",
    "placements",
    "probability",
]

_EXPECTED = "expected_"  # before the name of a metric under the true click probability


def _load() -> dict[str, Metric]:
    """The metrics by name, in the order of columns."""
    found: dict[str, Metric] = {}
    for name in (module.name for module in pkgutil.iter_modules(__path__)):
        if name.startswith("_"):
            continue
        module = importlib.import_module(f"{__name__}.{name}")
        entry = getattr(module, "METRIC", None)
        if not isinstance(entry, Metric):
            raise TypeError(
                f"{module.__file__}: METRIC is {entry!r}, not a Metric; end the file with"
                " METRIC = Metric(title=..., of_rows=...)"
            )
        found[name] = entry
    return dict(sorted(found.items(), key=lambda item: (item[1].order, item[0])))


METRICS = _load()
SCORES = {name: metric for name, metric in METRICS.items() if metric.is_score}
GAINS = {name: metric for name, metric in SCORES.items() if metric.is_gain}
EXPECTED_SCORES = {
    _EXPECTED + name: metric for name, metric in SCORES.items() if metric.has_expected
}


def metric_of(name: str) -> Metric:
    """The entry of a metric or of its expected form."""
    return METRICS[name.removeprefix(_EXPECTED)]


def evaluate(
    label: ArrayLike, logit: ArrayLike, domain: ArrayLike, p_click: ArrayLike | None = None
) -> dict[str, float | int]:
    """All metrics of one split; what is undefined is nan, beside the counts that say why.

    Metrics within domains are over those with both classes; `gauc_domains` of `domains` and
    `gauc_row_share` of the rows remain. Expected metrics are there where `p_click` is known.

    Args:
        label: (N,) values in {0, 1}.
        logit: (N,) finite logits.
        domain: (N,) ids of eval domains.
        p_click: (N,) true click probabilities.

    Raises:
        LogitError: a logit is nan or infinite.
    """
    label, logit, domain = np.asarray(label), np.asarray(logit), np.asarray(domain)
    rows, clicks = group_counts(label, domain)
    has_both = (clicks > 0) & (clicks < rows)
    expected = {} if p_click is None else expected_scores(p_click, logit, domain)
    return {
        "rows": int(label.size),
        "clicks": int(clicks.sum()),
        **{name: metric.of_rows(label, logit, domain) for name, metric in METRICS.items()},
        "domains": int((rows > 0).sum()),
        "gauc_domains": int(has_both.sum()),
        "gauc_row_share": int(rows[has_both].sum()) / label.size if label.size else np.nan,
        **expected,
    }


def expected_scores(
    p_click: ArrayLike, logit: ArrayLike, domain: ArrayLike
) -> dict[str, float | int]:
    """The expected metrics of one split under the true click probabilities (N,)."""
    p_click, logit, domain = np.asarray(p_click, np.float64), np.asarray(logit), np.asarray(domain)
    expected: dict[str, float | int] = {
        _EXPECTED + name: metric.of_rows(p_click, logit, domain)
        for name, metric in METRICS.items()
        if metric.has_expected
    }
    defined = group_scores(p_click, logit, domain).is_defined
    return expected | {"expected_gauc_domains": int(defined.sum())}


def domain_metrics(
    label: ArrayLike, logit: ArrayLike, domain: ArrayLike, size: int
) -> dict[str, Floats]:
    """Every metric that a single domain has, of each domain (size,); nan where it is undefined."""
    return {
        name: metric.by_domain(label, logit, domain, size)
        for name, metric in sorted(METRICS.items())
        if metric.by_domain
    }


def expected_domain_metrics(
    p_click: ArrayLike, logit: ArrayLike, domain: ArrayLike, size: int
) -> dict[str, Floats]:
    """Per domain (size,) the clicks that the truth expects, and the expected metrics."""
    found = domain_metrics(p_click, logit, domain, size)
    return {
        "expected_clicks": np.bincount(domain, p_click, size).astype(np.float64),
        **{_EXPECTED + name: found[name] for name in found if METRICS[name].has_expected},
    }
