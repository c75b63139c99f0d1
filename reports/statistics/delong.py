"""The error of the difference of two AUCs on the same rows, after DeLong et al. (1988)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True)
class AucContrast:
    """A difference of AUCs and its variance over test rows; nan below two rows of a class."""

    delta: float
    variance: float

    @property
    def p_value(self) -> float:
        """Two-sided, of a difference of 0; without any variance 1 if it is 0, else 0."""
        if self.variance == 0.0:
            return 1.0 if self.delta == 0.0 else 0.0
        return float(2.0 * stats.norm.sf(abs(self.delta) / np.sqrt(self.variance)))


def contrast(
    label: ArrayLike,
    left: Sequence[NDArray[np.float64]],
    right: Sequence[NDArray[np.float64]],
) -> AucContrast:
    """The mean AUC of some models minus that of others, for given models and random test rows.

    Each model is given by its `placements` of the same rows. A mean of AUCs is a linear contrast of
    correlated AUCs, of which DeLong's variance needs the mean placements alone: so what models
    share in their rows is part of it, and no independence of seeds is assumed. Rows are taken as
    independent, those of one user or time too.
    """
    is_click = np.asarray(label, bool)
    shares = np.mean(left, axis=0) - np.mean(right, axis=0)
    clicks, others = shares[is_click], shares[~is_click]
    if min(clicks.size, others.size) < 2:
        return AucContrast(np.nan, np.nan)
    variance = clicks.var(ddof=1) / clicks.size + others.var(ddof=1) / others.size
    return AucContrast(float(clicks.mean()), float(variance))
