"""The reference models, which a user might pick instead of a network, by name.

They learn from the same rows, codes and labels as the networks, dev chooses among their candidates
by the same rule, and their logits are scored by the same metrics. scikit-learn is imported by the
fit alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from benchmark.references.linear import LogisticRegressionConfig, fit_linear
from benchmark.references.rows import FitRows, Scorer
from benchmark.references.trees import BoostedTreesConfig, fit_trees
from models.facts import Facts

if TYPE_CHECKING:
    from benchmark.config import RunConfig
    from datasets.prepare import PreparedData

ConfigT = TypeVar("ConfigT")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceEntry(Generic[ConfigT]):
    """A reference model: its hyper-parameters, and how it is fitted with a seed."""

    config: type[ConfigT]
    fit: Callable[[ConfigT, FitRows, int], Scorer]
    facts: Facts


REFERENCES: dict[str, ReferenceEntry] = {
    "logistic_regression": ReferenceEntry(
        config=LogisticRegressionConfig,
        fit=fit_linear,
        facts=Facts(
            title="Logistic regression",
            paper="Cox: The regression analysis of binary sequences, JRSS B 20, 1958",
            published="1958-07",
            colour="#999999",
            marker="v",
        ),
    ),
    "boosted_trees": ReferenceEntry(
        config=BoostedTreesConfig,
        fit=fit_trees,
        facts=Facts(
            title="Boosted trees",
            paper="Friedman: Greedy function approximation: a gradient boosting machine, Annals of"
            " Statistics 29, 2001",
            published="2001-10",
            colour="#cc79a7",
            marker="P",
        ),
    ),
}


def load_reference(name: str) -> ReferenceEntry:
    """The reference model of this name.

    Raises:
        ValueError: there is none.
    """
    if name not in REFERENCES:
        raise ValueError(
            f"Unknown reference model {name!r}. Available: {', '.join(sorted(REFERENCES))}."
        )
    return REFERENCES[name]


def fit(config: RunConfig, data: PreparedData, seed: int) -> Scorer:
    """Fit the reference model that `config.backbone` names, with its `backbone_config`.

    It learns from train, chooses by dev, and is handed no row of test. It sees the domains of the
    log's own partition.

    Raises:
        ValueError: an unknown model, or a hyper-parameter out of its range.
    """
    entry = load_reference(config.backbone)
    matrix, train, dev = data.rows(), data.split["train"], data.split["dev"]
    rows = FitRows(
        schema=data.schema,
        train=matrix[train.start : train.stop],
        dev=matrix[dev.start : dev.stop],
        protocol=config.protocol,
    )
    return entry.fit(entry.config(**config.backbone_config), rows, seed)
