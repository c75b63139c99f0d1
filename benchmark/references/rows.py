"""Encoded rows as reference models read them, and the interface of a fitted model."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Protocol

import numpy as np

from benchmark.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from benchmark.protocol import Protocol as BenchmarkProtocol
    from benchmark.training.trainer import Training
    from datasets.spec import EncodedSchema

    Rows = NDArray[np.int32]  # (N, C), columns as in `loader.column_names`
    Floats = NDArray[np.float64]

EVAL_DOMAIN, LABEL = -2, -1  # columns of encoded rows, see `loader.column_names`
BLOCK_ROWS = 65_536  # scored at a time; a size: a row's logit does not depend on it


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """The place of a field, a bag or the domain in the encoded rows, and its number of codes."""

    name: str
    columns: slice
    size: int  # code 0, unseen in train, included
    is_domain: bool = False  # the joint domain id


@dataclass(frozen=True, slots=True, kw_only=True)
class FitRows:
    """All that fitting may look at: the rows of train and dev, and the common protocol."""

    schema: EncodedSchema
    train: Rows
    dev: Rows
    protocol: BenchmarkProtocol


class Scorer(Protocol):
    """A fitted reference model."""

    @property
    def complexity(self) -> Mapping[str, int]:
        """The numbers that it holds, under the names that networks have in a record's cost."""
        ...

    @property
    def training(self) -> Training:
        """The summary of the fit; its history is of dev alone."""
        ...

    def __call__(self, rows: Rows) -> Floats:
        """Logits (N,) of encoded rows (N, C); they are finite."""
        ...


def features_of(schema: EncodedSchema, *, joint_domain: bool) -> tuple[Feature, ...]:
    """All fields, all bags, and with `joint_domain` the domain id.

    The id of a partition of one column is that column, which is a field already.
    """
    names = (*schema.fields, *schema.bags)
    sizes = (*schema.field_sizes, *schema.bag_sizes)
    widths = [1] * len(schema.fields) + list(schema.bag_lengths)
    *starts, domain = accumulate(widths, initial=0)
    features = [
        Feature(name=name, columns=slice(start, start + width), size=size)
        for name, start, width, size in zip(names, starts, widths, sizes, strict=True)
    ]
    if joint_domain and schema.num_domain_fields > 1:
        place = slice(domain, domain + 1)
        size = schema.num_domains
        features.append(Feature(name="domain_id", columns=place, size=size, is_domain=True))
    return tuple(features)


def labels_of(rows: Rows) -> NDArray[np.int8]:
    """The labels (N,) of encoded rows."""
    return rows[:, LABEL].astype(np.int8)


def parameter_counts(
    features: tuple[Feature, ...], sizes: Iterable[int], dense: int
) -> dict[str, int]:
    """Numbers that a model holds, by what they grow with (see `benchmark.cost.counts`).

    `sizes` are how many it has for each feature, `dense` is the number of all others.
    """
    by_feature = list(zip(features, sizes, strict=True))
    of_domains = sum(size for feature, size in by_feature if feature.is_domain)
    of_values = sum(size for feature, size in by_feature if not feature.is_domain)
    return {
        "embedding_parameters": of_values,
        "dense_parameters": dense,
        "domain_parameters": of_domains,
        "domain_buffers": 0,
        "served_parameters": of_values + dense + of_domains,
    }


def judge_on_dev(rows: FitRows, logit: Floats, step: int, training: Training) -> None:
    """Enter the dev scores of a candidate, given by its logits, and note it if it is the best."""
    label, stored = labels_of(rows.dev), logit.astype(np.float32)  # as predictions are stored
    loss, on_all, selected = (
        METRICS[name].of_rows(label, stored, rows.dev[:, EVAL_DOMAIN])
        for name in ("logloss", "auc", rows.protocol.selection_metric)
    )
    epoch = float(step)  # every step reads all rows of train
    training.history.append(
        {"step": step, "epoch": epoch, "split": "dev", "loss": loss, "auc": on_all}
    )
    training.candidates += 1
    if selected > training.best_dev_score:
        training.best_dev_score, training.best_step = selected, step


def score_blocks(score: Callable[[Rows], Floats], rows: Rows) -> Floats:
    """The logits (N,) of rows, a block of bounded size at a time."""
    logits = np.empty(len(rows))
    for start in range(0, len(rows), BLOCK_ROWS):
        block = rows[start : start + BLOCK_ROWS]
        logits[start : start + len(block)] = score(block)
    return logits


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep OpenMP and BLAS to one thread, so that sums have one order; import libraries before."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        yield
