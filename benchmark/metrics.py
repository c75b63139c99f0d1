"""LogLoss, AUC, GAUC and calibration, exact and vectorised, from logits in float64.

Where the true click probability p of every row is known, the expected metrics replace the label by
p: a row counts p as positive and 1 - p as negative. They are defined in every domain of two rows
and are free of the noise of the labels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class LogitError(ValueError):
    """Scores that are nan or infinite: every metric of them would be a number without meaning."""


@dataclass(frozen=True, slots=True)
class GroupScores:
    """One entry per group that occurs: id, impressions, clicks and AUC (nan if one class).

    Expected scores hold the expected clicks, and nan for a group of one row.
    """

    group: Ints  # (G,)
    impressions: Ints  # (G,)
    clicks: Ints | Floats  # (G,)
    auc: Floats  # (G,)

    @property
    def is_defined(self) -> NDArray[np.bool_]:
        """Groups with both classes."""
        return ~np.isnan(self.auc)

    def weighted_auc(self) -> float:
        """GAUC: the impression-weighted mean over groups with both classes; nan if none has."""
        kept = self.is_defined
        return (
            float(np.average(self.auc[kept], weights=self.impressions[kept]))
            if kept.any()
            else np.nan
        )

    def macro_auc(self) -> float:
        """The plain mean over groups with both classes, nan if there is none."""
        kept = self.is_defined
        return float(self.auc[kept].mean()) if kept.any() else np.nan


def check_finite(score: ArrayLike) -> None:
    """Refuse scores that cannot be ordered.

    Raises:
        LogitError: some are nan or infinite.
    """
    score = np.asarray(score)
    broken = score.size - int(np.count_nonzero(np.isfinite(score)))
    if broken:
        raise LogitError(
            f"{broken:,} of {score.size:,} logits are nan or infinite: they have no metric"
        )


def group_scores(label: ArrayLike, score: ArrayLike, group: ArrayLike) -> GroupScores:
    """AUC within each group by one sort; ties count one half (mid-ranks).

    Args:
        label: (N,) values in {0, 1}.
        score: (N,) finite scores; float32 scores are fastest.
        group: (N,) ids in [0, 2^31).

    Raises:
        LogitError: a score is nan or infinite.
    """
    label, group = np.asarray(label), np.asarray(group)
    if label.size == 0:
        none = np.empty(0, np.int64)
        return GroupScores(none, none, none, np.empty(0))
    key = sort_key(np.asarray(score), group) << np.uint64(1) | label.astype(np.uint64)
    key = np.sort(key)  # by group, then score, then label
    positive = (key & np.uint64(1)).astype(np.int64)  # (N,)
    run_start = _starts(key >> np.uint64(1))  # a run: equal group and score
    group_start = _starts(key >> np.uint64(33))
    run_positive = np.add.reduceat(positive, run_start)
    run_negative = np.diff(run_start, append=key.size) - run_positive
    negatives_before = np.cumsum(run_negative) - run_negative  # of the whole sorted array
    first_run = np.searchsorted(run_start, group_start)
    num_runs = np.diff(first_run, append=run_start.size)
    negatives_below = negatives_before - np.repeat(negatives_before[first_run], num_runs)
    doubled_wins = np.add.reduceat(run_positive * (2 * negatives_below + run_negative), first_run)
    clicks = np.add.reduceat(run_positive, first_run)
    impressions = np.diff(group_start, append=key.size)
    pairs = clicks * (impressions - clicks)
    auc = np.full(pairs.size, np.nan)
    np.divide(doubled_wins, 2.0 * pairs, out=auc, where=pairs > 0)
    return GroupScores(
        (key[group_start] >> np.uint64(33)).astype(np.int64), impressions, clicks, auc
    )


def auc(label: ArrayLike, score: ArrayLike) -> float:
    """Area under the ROC curve with mid-ranks for ties; nan if there is only one class."""
    label = np.asarray(label)
    scores = group_scores(label, score, np.zeros(label.size, np.int64))
    return float(scores.auc[0]) if scores.auc.size else np.nan


def per_group_expected(p_click: ArrayLike, score: ArrayLike, group: ArrayLike) -> GroupScores:
    """Expected AUC within each group by one sort; ties count one half.

    Equation: sum of p_i (1 - p_j) over the ordered pairs i, j of different rows with s_i > s_j, and
        half of it where s_i = s_j, over the sum of p_i (1 - p_j) of all such pairs.

    Args:
        p_click: (N,) true click probabilities in [0, 1].
        score: (N,) finite scores; float32 scores are fastest.
        group: (N,) ids in [0, 2^31).

    Raises:
        LogitError: a score is nan or infinite.
    """
    p, group = np.asarray(p_click, np.float64), np.asarray(group)
    if p.size == 0:
        return group_scores(p, score, group)
    key = sort_key(np.asarray(score), group)
    order = np.argsort(key)
    key, p = key[order], p[order]
    run_start, group_start = _starts(key), _starts(key >> np.uint64(32))
    first_run = np.searchsorted(run_start, group_start)
    run_positive = np.add.reduceat(p, run_start)
    run_negative = np.add.reduceat(1.0 - p, run_start)
    below = _sums_before(run_negative, first_run)
    with_itself = np.add.reduceat(p * (1.0 - p), group_start)  # a tie with itself is no pair
    wins = np.add.reduceat(run_positive * (below + run_negative / 2), first_run) - with_itself / 2
    clicks = np.add.reduceat(p, group_start)
    impressions = np.diff(group_start, append=p.size)
    pairs = clicks * np.add.reduceat(1.0 - p, group_start) - with_itself
    auc = np.full(pairs.size, np.nan)
    np.divide(wins, pairs, out=auc, where=(impressions > 1) & (pairs > 0.0))
    ids = (key[group_start] >> np.uint64(32)).astype(np.int64)
    return GroupScores(ids, impressions, clicks, auc)


def expected_auc(p_click: ArrayLike, score: ArrayLike) -> float:
    """Expected AUC of all rows (`per_group_expected`); nan with fewer than two rows."""
    scores = per_group_expected(p_click, score, np.zeros(np.size(score), np.int64))
    return float(scores.auc[0]) if scores.auc.size else np.nan


def expected_scores(
    p_click: ArrayLike, logit: ArrayLike, eval_domain_id: ArrayLike
) -> dict[str, float | int]:
    """The expected metrics of one split; GAUC weights all domains of two rows by impressions."""
    by_domain = per_group_expected(p_click, logit, eval_domain_id)
    return {
        "expected_logloss": float(row_logloss(p_click, logit).mean()) if np.size(logit) else np.nan,
        "expected_auc": expected_auc(p_click, logit),
        "expected_gauc": by_domain.weighted_auc(),
        "expected_gauc_domains": int(by_domain.is_defined.sum()),
    }


def row_logloss(label: ArrayLike, logit: ArrayLike) -> Floats:
    """Cross-entropy of each row in nats, computed in float64.

    Raises:
        LogitError: a logit is nan or infinite.
    """
    check_finite(logit)
    logit = np.asarray(logit, np.float64)
    loss: Floats = np.logaddexp(0.0, logit) - np.asarray(label, np.float64) * logit
    return loss


def probability(logit: ArrayLike) -> Floats:
    """The sigmoid in float64, without overflow.

    Raises:
        LogitError: a logit is nan or infinite.
    """
    check_finite(logit)
    logit = np.asarray(logit, np.float64)
    p: Floats = np.exp(-np.logaddexp(0.0, -logit))
    return p


def calibration(label: ArrayLike, logit: ArrayLike) -> float:
    """Mean predicted over mean observed click rate; nan without a click."""
    observed = float(np.mean(np.asarray(label, np.float64))) if np.size(label) else 0.0
    return float(probability(logit).mean() / observed) if observed > 0.0 else np.nan


def evaluate(
    label: ArrayLike, logit: ArrayLike, eval_domain_id: ArrayLike
) -> dict[str, float | int]:
    """All metrics of one split; what is undefined is nan, beside the counts that say why.

    GAUC weights domains by impressions over all domains with both classes; skipped domains leave
    numerator and denominator (`gauc_domains` of `domains`, `gauc_row_share` of the rows remain).
    """
    label = np.asarray(label)
    by_domain = group_scores(label, logit, eval_domain_id)
    rows = int(label.size)
    covered = int(by_domain.impressions[by_domain.is_defined].sum())
    return {
        "rows": rows,
        "clicks": int(by_domain.clicks.sum()),
        "logloss": float(row_logloss(label, logit).mean()) if rows else np.nan,
        "auc": auc(label, logit),
        "gauc": by_domain.weighted_auc(),
        "macro_auc": by_domain.macro_auc(),
        "domains": int(by_domain.group.size),
        "gauc_domains": int(by_domain.is_defined.sum()),
        "gauc_row_share": covered / rows if rows else np.nan,
        "calibration": calibration(label, logit),
    }


def sort_key(score: NDArray[np.generic], group: NDArray[np.generic]) -> NDArray[np.uint64]:
    """Pack group (31 bits) and score (32) into one integer that sorts in that order.

    Raises:
        LogitError: a score is nan or infinite.
    """
    check_finite(score)
    packed: NDArray[np.uint64] = group.astype(np.uint64) << np.uint64(32)
    return packed | _ordered_bits(score).astype(np.uint64)


def _ordered_bits(score: NDArray[np.generic]) -> NDArray[np.uint32]:
    """32-bit integers in the order of the scores, equal exactly where the scores are equal."""
    if score.dtype != np.float32:
        rank: NDArray[np.uint32] = np.unique(score, return_inverse=True)[1].astype(np.uint32)
        return rank
    bits = (score.astype(np.float32) + np.float32(0.0)).view(
        np.uint32
    )  # adding 0 turns -0.0 into 0.0
    negative = (bits >> np.uint32(31)).astype(bool)
    ordered: NDArray[np.uint32] = np.where(negative, ~bits, bits | np.uint32(1 << 31))
    return ordered


def _sums_before(values: Floats, start: Ints) -> Floats:
    """For each value the sum of the earlier ones of its group, as exact as in a group of its own.

    `start` holds the first position of each group. One running sum over all groups would lose the
    last digits of a small group behind large ones; so it falls back to about 0 before each group.
    """
    totals = np.add.reduceat(values, start)
    falls = np.concatenate(([0.0], -totals[:-1]))
    running = np.cumsum(np.insert(values, start, falls))
    number = np.repeat(np.arange(start.size), np.diff(start, append=values.size))
    base = running[start + np.arange(start.size)]
    sums: Floats = running[np.arange(values.size) + number] - base[number]
    return sums


def _starts(values: NDArray[np.uint64]) -> Ints:
    """Positions at which a sorted array takes a new value."""
    return np.concatenate(([0], np.flatnonzero(values[1:] != values[:-1]) + 1))
