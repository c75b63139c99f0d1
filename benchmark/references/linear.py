"""Logistic regression on one-hot codes, the reference that needs no network."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

from benchmark.references.rows import (
    features_of,
    judge_on_dev,
    labels_of,
    one_thread,
    parameter_counts,
    score_blocks,
)
from benchmark.training.trainer import Training
from models.config_values import check_values
from models.interfaces import Choice, Range, tuned

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from benchmark.references.rows import Feature, FitRows, Floats, Rows

MAX_ITERATIONS = 2_000  # a bound that the solver stays well below
TOLERANCE = 1e-6  # largest component of the gradient of the mean loss

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogisticRegressionConfig:
    """The strength of the penalty on weights, and the choice of a weight for every domain.

    The weights w minimise ||w||^2 / 2 + inverse_regularisation * (sum of the rows' log losses).

    Raises:
        ValueError: a value is out of its range.
    """

    inverse_regularisation: float = tuned(1.0, Range(low=1e-2, high=1e1, log=True))
    joint_domain: bool = tuned(True, Choice((True, False)))

    def __post_init__(self) -> None:
        check_values(self)
        if self.inverse_regularisation <= 0.0:
            raise ValueError(
                f"inverse_regularisation must be above 0, got {self.inverse_regularisation}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearScorer:
    """A weight for every code but 0, and an intercept."""

    features: tuple[Feature, ...]
    weights: Floats  # (sum of size - 1,)
    intercept: float
    training: Training

    @property
    def complexity(self) -> dict[str, int]:
        """Weights by what they grow with, as of networks."""
        return parameter_counts(self.features, (f.size - 1 for f in self.features), dense=1)

    def __call__(self, rows: Rows) -> Floats:
        """Logits (N,) of encoded rows."""
        return score_blocks(self._score, rows)

    def _score(self, block: Rows) -> Floats:
        logits: Floats = one_hot(self.features, block) @ self.weights + self.intercept
        return logits


def one_hot(features: tuple[Feature, ...], rows: Rows) -> csr_matrix:
    """Sparse indicators (N, sum of size - 1); a code counts once however often a bag repeats it.

    Code 0 has no column: what it stands for is unknown, and its weight would say nothing.
    """
    from scipy.sparse import csr_matrix

    *starts, num_columns = accumulate((feature.size - 1 for feature in features), initial=0)
    columns = np.concatenate(
        [
            np.where(codes > 0, codes - 1 + start, -1)
            for feature, start in zip(features, starts, strict=True)
            for codes in [rows[:, feature.columns]]
        ],
        axis=1,
    )  # (N, slots of all features)
    is_set = columns >= 0
    row_starts = np.cumsum(np.r_[0, is_set.sum(axis=1)])  # (N + 1,)
    indices = columns[is_set].astype(np.int32, copy=False)
    shape = (len(rows), num_columns)
    matrix = csr_matrix((np.ones(indices.size), indices, row_starts), shape=shape)
    matrix.sum_duplicates()
    matrix.data.fill(1.0)
    return matrix


def fit_linear(config: LogisticRegressionConfig, rows: FitRows, _seed: int) -> LinearScorer:
    """Fit on train; the optimum is unique, so that neither seed nor dev has a part in it."""
    from sklearn.linear_model import LogisticRegression

    features = features_of(rows.schema, joint_domain=config.joint_domain)
    model = LogisticRegression(
        C=config.inverse_regularisation, solver="lbfgs", tol=TOLERANCE, max_iter=MAX_ITERATIONS
    )
    with one_thread(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(one_hot(features, rows.train), labels_of(rows.train))
    steps = int(model.n_iter_[0])
    for warning in caught:  # that the solver stopped early
        logger.warning("logistic regression: %s", str(warning.message).splitlines()[0])
    training = Training(
        steps=steps,
        sample_visits=steps * len(rows.train),
        stopped_by="fit",
    )
    scorer = LinearScorer(
        features=features,
        weights=model.coef_[0],
        intercept=float(model.intercept_[0]),
        training=training,
    )
    judge_on_dev(rows, scorer(rows.dev), steps, training)
    return scorer
