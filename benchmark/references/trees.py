"""Gradient-boosted trees on target encodings, the reference that tables are usually given to.

Target encoding: a code becomes the smoothed click rate of the train rows that have it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import islice
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
from benchmark.training.seeding import derived_seed
from benchmark.training.trainer import Training
from models.config_values import check_at_least, check_values
from models.interfaces import Range, tuned

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sklearn.ensemble import HistGradientBoostingClassifier

    from benchmark.protocol import Protocol
    from benchmark.references.rows import Feature, FitRows, Floats, Rows

NUM_FOLDS = 5
SKLEARN_SEEDS = 2**32  # seeds are below


@dataclass(frozen=True, slots=True)
class TargetEncoding:
    """The click rate of every code of every feature, and that of all rows they come from."""

    features: tuple[Feature, ...]
    rates: tuple[Floats, ...]  # per feature (size,)
    prior: float

    def __call__(self, rows: Rows) -> Floats:
        """Encode rows (N, C) as (N, F); a bag is the mean of its slots, the prior if empty."""
        encoded = np.empty((len(rows), len(self.features)))
        for place, (feature, rate) in enumerate(zip(self.features, self.rates, strict=True)):
            codes = rows[:, feature.columns]  # (N, M)
            is_filled = codes >= 0
            total = np.where(is_filled, rate[codes], 0.0).sum(axis=1)  # (N, M) -> (N,)
            count = is_filled.sum(axis=1)
            encoded[:, place] = np.where(count > 0, total / np.maximum(count, 1), self.prior)
        return encoded


def fit_encoding(features: tuple[Feature, ...], rows: Rows, smoothing: float) -> TargetEncoding:
    """Rates (clicks + smoothing * prior) / (impressions + smoothing), from these rows alone.

    Every filled slot of a bag counts as one impression of its code. A code without impressions has
    the prior, the click rate of all rows.
    """
    label = labels_of(rows)
    prior = float(label.mean())
    rates = []
    for feature in features:
        codes = rows[:, feature.columns]  # (N, M)
        row, slot = np.nonzero(codes >= 0)
        filled = codes[row, slot]
        impressions = np.bincount(filled, minlength=feature.size)
        clicks = np.bincount(filled, weights=label[row], minlength=feature.size)
        rates.append((clicks + smoothing * prior) / (impressions + smoothing))
    return TargetEncoding(features, tuple(rates), prior)


def seeded_folds(num_rows: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """A fold (N,) for every row, at random and of equal sizes.

    Folds of consecutive rows would hold all rows of a value that is new in one of them, and encode
    it there as unseen, although dev and test see its rate: the model would learn from another
    feature than it is given later.
    """
    folds: NDArray[np.int64] = generator.permutation(num_rows) % NUM_FOLDS
    return folds


def encode_out_of_fold(
    features: tuple[Feature, ...], rows: Rows, smoothing: float, folds: NDArray[np.int64]
) -> Floats:
    """Encode every row (N, F) by the rates of the rows in other folds, so never by its own label.

    Encoded by rates that hold its own click, a rare value would predict the label that it was
    trained on.
    """
    encoded = np.empty((len(rows), len(features)))
    for fold in range(NUM_FOLDS):
        is_own = folds == fold
        encoding = fit_encoding(features, rows[~is_own], smoothing)
        encoded[is_own] = encoding(rows[is_own])
    return encoded


@dataclass(frozen=True, slots=True, kw_only=True)
class BoostedTreesConfig:
    """Step, size and shrinkage of the trees, and the smoothing of the click rates they read.

    Of `max_iter` trees as many are kept as do best on dev, so their number needs no search.

    Raises:
        ValueError: a value is out of its range.
    """

    learning_rate: float = tuned(0.1, Range(low=0.02, high=0.3, log=True))
    max_leaf_nodes: int = tuned(31, Range(low=8, high=128, log=True))
    l2_regularization: float = tuned(1.0, Range(low=1e-2, high=1e2, log=True))
    smoothing: float = tuned(20.0, Range(low=1.0, high=200.0, log=True))
    max_iter: int = 300

    def __post_init__(self) -> None:
        check_values(self)
        for name in ("learning_rate", "smoothing"):
            if getattr(self, name) <= 0.0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")
        check_at_least(self, 0, "l2_regularization")
        check_at_least(self, 2, "max_leaf_nodes")
        check_at_least(self, 1, "max_iter")


@dataclass(frozen=True, slots=True, kw_only=True)
class TreesScorer:
    """The first trees of a model, as many as its training chose, over click rates of train."""

    encoding: TargetEncoding
    model: HistGradientBoostingClassifier
    training: Training

    @property
    def complexity(self) -> dict[str, int]:
        """Click rates by what they grow with; dense are the splits (field, threshold) and leaves.

        With the number of the trees, and of the leaves of all of them.
        """
        num_trees, features = self.training.best_step, self.encoding.features
        trees = self.model._predictors[:num_trees]  # scikit-learn counts leaves nowhere else
        leaves = sum(int(tree.get_n_leaf_nodes()) for (tree,) in trees)
        splits = leaves - num_trees  # of a tree one less than its leaves
        counts = parameter_counts(features, (f.size for f in features), dense=leaves + 2 * splits)
        return counts | {"trees": num_trees, "leaves": leaves}

    def __call__(self, rows: Rows) -> Floats:
        """Logits (N,) of encoded rows."""
        with one_thread():
            return score_blocks(self._score, rows)

    def _score(self, block: Rows) -> Floats:
        stages = self.model.staged_decision_function(self.encoding(block))
        logits: Floats = next(islice(stages, self.training.best_step - 1, None))
        return logits


def fit_trees(config: BoostedTreesConfig, rows: FitRows, seed: int) -> TreesScorer:
    """Fit on train, and keep as many trees as do best on dev."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    features = features_of(rows.schema, joint_domain=True)
    folds = seeded_folds(len(rows.train), np.random.default_rng(derived_seed(seed, "folds")))
    model = HistGradientBoostingClassifier(
        learning_rate=config.learning_rate,
        max_iter=config.max_iter,
        max_leaf_nodes=config.max_leaf_nodes,
        l2_regularization=config.l2_regularization,
        early_stopping=False,
        random_state=derived_seed(seed, "trees") % SKLEARN_SEEDS,
    )
    with one_thread():
        encoded = encode_out_of_fold(features, rows.train, config.smoothing, folds)
        model.fit(encoded, labels_of(rows.train))
    training = Training(
        steps=config.max_iter,
        sample_visits=config.max_iter * len(rows.train),
        stopped_by="fit",
    )
    encoding = fit_encoding(features, rows.train, config.smoothing)
    with one_thread():
        stages = model.staged_decision_function(encoding(rows.dev))
        wanted = candidates(config.max_iter, rows.protocol)
        for step, logit in enumerate(stages, start=1):
            if step in wanted:
                judge_on_dev(rows, logit, step, training)
    return TreesScorer(encoding=encoding, model=model, training=training)


def candidates(max_iter: int, protocol: Protocol) -> tuple[int, ...]:
    """The numbers of trees that dev chooses among: as many, and as spaced, as those of networks.

    A network is evaluated so many times an epoch and selectable from some epoch on; here all trees
    together stand for its `max_epochs`. There is no patience, for the trees are all grown by then.
    """
    count = protocol.max_epochs * protocol.evaluations_per_epoch
    first = math.ceil(protocol.first_selectable_epoch * protocol.evaluations_per_epoch)
    marks = range(max(first, 1), count + 1)
    return tuple(sorted({math.ceil(mark * max_iter / count) for mark in marks}))
