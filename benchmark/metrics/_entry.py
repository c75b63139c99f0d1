"""The entry of a metric: the logits it takes, how it is computed, and how tables show it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
OfRows = Callable[[ArrayLike, ArrayLike, ArrayLike], float]
ByDomain = Callable[[ArrayLike, ArrayLike, ArrayLike, int], Floats]
Influences = Callable[[ArrayLike, ArrayLike, ArrayLike], Floats]

SLICE_ROWS = 1 << 18  # of an array that is gone through part by part


def slices(size: int, step: int = SLICE_ROWS) -> Iterator[slice]:
    """The parts of an array of so many rows, in order."""
    for start in range(0, size, step):
        yield slice(start, min(start + step, size))


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A metric of N rows, given by labels (N,), logits (N,) and the ids (N,) of eval domains.

    `of_rows` is the metric of all rows, nan where it is undefined. `by_domain` also takes the
    number D of domains and is the metric within each, (D,); a metric that is of several domains by
    nature has none. `influences` (N,) are what each row adds to the error of the metric, to first
    order; without them intervals rest on leaving out one cluster of rows after the other, which
    computes the metric once a cluster.

    `has_expected` is for metrics that take true click probabilities in place of the labels, and
    are then the expected metric. Tables hold differences as they are and show them in units of
    `difference_unit`, with one digit; `widest` is the largest possible one, not in these units. A
    metric that is no score is in records alone. One that is a score is a column of every table of
    scores, is compared in Table 1 and tested; `is_gain` adds it to the differences that the tables
    of studies show.

    Raises:
        ValueError: `difference_unit` is no finite number above 0.
    """

    title: str
    of_rows: OfRows
    by_domain: ByDomain | None = None
    influences: Influences | None = None
    has_expected: bool = False
    lower_is_better: bool = False
    widest: float = math.inf
    difference_unit: float = 1e-4
    digits: int = 4
    order: int = 9  # of the columns; of equal numbers by name
    is_score: bool = True
    is_gain: bool = True

    def __post_init__(self) -> None:
        unit = self.difference_unit
        if isinstance(unit, bool) or not isinstance(unit, int | float) or not 0.0 < unit < math.inf:
            raise ValueError(
                f"{self.title}: difference_unit must be a finite number above 0, got {unit!r}"
            )


@dataclass(frozen=True, slots=True)
class RowMean:
    """The mean over rows of a value (N,) that follows from the labels (N,) and logits (N,)."""

    of_row: Callable[[ArrayLike, ArrayLike], Floats]

    def of_rows(self, label: ArrayLike, logit: ArrayLike, _domain: ArrayLike = ()) -> float:
        """The mean, nan without rows."""
        label, logit = np.asarray(label), np.asarray(logit)
        return self._sum(label, logit) / label.size if label.size else math.nan

    def by_domain(self, label: ArrayLike, logit: ArrayLike, domain: ArrayLike, size: int) -> Floats:
        """The mean of each domain (size,), nan without rows."""
        label, logit, domain = np.asarray(label), np.asarray(logit), np.asarray(domain)
        num_rows, total = np.zeros(size, np.int64), np.zeros(size)
        for rows in slices(label.size):
            num_rows += np.bincount(domain[rows], minlength=size)
            np.add.at(total, domain[rows], self.of_row(label[rows], logit[rows]))
        means: Floats = np.divide(total, num_rows, out=np.full(size, np.nan), where=num_rows > 0)
        return means

    def influences(self, label: ArrayLike, logit: ArrayLike, _domain: ArrayLike = ()) -> Floats:
        """The part (N,) of the mean's deviation that each row is."""
        values = self.of_row(label, logit)
        parts: Floats = (values - values.mean()) / values.size
        return parts

    def _sum(self, label: NDArray[np.generic], logit: NDArray[np.generic]) -> float:
        """The sum in pairs, as numpy's of an array of all values, which is never made."""
        if label.size <= SLICE_ROWS:
            return float(self.of_row(label, logit).sum())
        half = label.size // 2 - label.size // 2 % 8  # where numpy cuts an array
        return self._sum(label[:half], logit[:half]) + self._sum(label[half:], logit[half:])


class LogitError(ValueError):
    """Scores that are nan or infinite: every metric of them would be a number without meaning."""


def check_finite(score: ArrayLike) -> None:
    """Refuse scores that cannot be ordered.

    Raises:
        LogitError: some are nan or infinite.
    """
    score = np.asarray(score)
    broken = sum(np.count_nonzero(~np.isfinite(score[rows])) for rows in slices(score.size))
    if broken:
        raise LogitError(
            f"{broken:,} of {score.size:,} logits are nan or infinite: they have no metric"
        )


def probability(logit: ArrayLike) -> Floats:
    """The sigmoid in float64, without overflow.

    Raises:
        LogitError: a logit is nan or infinite.
    """
    check_finite(logit)
    logit = np.asarray(logit, np.float64)
    p: Floats = np.exp(-np.logaddexp(0.0, -logit))
    return p
