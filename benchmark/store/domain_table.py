"""Volumes and metrics of every evaluation domain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from benchmark.metrics import GroupScores, group_scores, per_group_expected, row_logloss

if TYPE_CHECKING:
    from numpy.typing import NDArray


def domain_table(
    domains: pl.DataFrame, test: pl.DataFrame, p_click: NDArray[np.float64] | None
) -> pl.DataFrame:
    """`domains.parquet`: volumes and clicks per split, AUC (nan if one class), LogLoss.

    On generated logs also `expected_clicks`, and the model's `expected_auc` and `expected_logloss`
    under the true click probability.
    """
    domain = test["eval_domain_id"].to_numpy()
    label, logit = test["label"].to_numpy(), test["logit"].to_numpy()
    scores = group_scores(label, logit, domain)
    size = domains.height
    rows = np.bincount(domain, minlength=size).astype(np.float64)
    columns = {
        "auc": _by_domain(scores, size),
        "logloss": _mean_by(domain, row_logloss(label, logit), rows),
    }
    if p_click is not None:
        columns |= expected_columns(domain, p_click, logit, size)
    return domains.with_columns(**{name: pl.Series(values) for name, values in columns.items()})


def expected_columns(
    domain: NDArray[np.integer],
    p_click: NDArray[np.float64],
    logit: NDArray[np.floating],
    size: int,
) -> dict[str, NDArray[np.float64]]:
    """Per domain (size,) the clicks that the truth expects, and the expected metrics of logits."""
    rows = np.bincount(domain, minlength=size).astype(np.float64)
    return {
        "expected_clicks": np.bincount(domain, p_click, size).astype(np.float64),
        "expected_auc": _by_domain(per_group_expected(p_click, logit, domain), size),
        "expected_logloss": _mean_by(domain, row_logloss(p_click, logit), rows),
    }


def _by_domain(scores: GroupScores, size: int) -> NDArray[np.float64]:
    """AUC of every domain (size,), nan where it is undefined."""
    auc = np.full(size, np.nan)
    auc[scores.group] = scores.auc
    return auc


def _mean_by(
    domain: NDArray[np.integer], values: NDArray[np.float64], rows: NDArray[np.float64]
) -> NDArray[np.float64]:
    total = np.bincount(domain, weights=values, minlength=rows.size)
    return np.divide(total, rows, out=np.full(rows.size, np.nan), where=rows > 0)
