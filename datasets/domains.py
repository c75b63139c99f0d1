"""Domains: the distinct tuples of the partition's values, those of train numbered first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from datasets.splits import SPLITS

if TYPE_CHECKING:
    from datasets.splits import RowOrder
    from datasets.vocabulary import Tokens


@dataclass(frozen=True, slots=True)
class Domains:
    """Domain ids of the rows, and one table row per domain."""

    domain_id: np.ndarray  # (N,) int32; 0 is unseen in train
    eval_domain_id: np.ndarray  # (N,) int32; every tuple has its own
    table: pl.DataFrame

    @property
    def num_seen(self) -> int:
        """Domains that occur in train."""
        return int((self.table["domain_id"] > 0).sum())


def number_domains(columns: dict[str, Tokens], rows: RowOrder, label: np.ndarray) -> Domains:
    """Number the tuples by falling train impressions, then by values.

    `label` is in prepared row order.
    """
    group = np.zeros(len(label), dtype=np.int64)
    members: dict[str, np.ndarray] = {}
    for name, column in columns.items():
        key = group * len(column.tokens) + column.positions[rows.order]
        keys, group = _compress(key)
        parents, positions = np.divmod(keys, len(column.tokens))
        members = {other: values[parents] for other, values in members.items()} | {name: positions}
    values = {name: column.tokens.gather(members[name]) for name, column in columns.items()}
    counts = _volumes(group, rows, label, len(members[next(iter(members))]))
    table = (
        pl.DataFrame(values | counts)
        .with_row_index("group")
        .sort("train_impressions", *columns, descending=[True, *(False for _ in columns)])
        .with_row_index("eval_domain_id")
        .with_columns(pl.col("eval_domain_id").cast(pl.Int32))
        .with_columns(
            domain_id=pl.when(pl.col("train_impressions") > 0)
            .then(pl.col("eval_domain_id") + 1)
            .otherwise(0)
        )
    )
    eval_of_group = np.empty(len(table), dtype=np.int32)
    eval_of_group[table["group"].to_numpy()] = table["eval_domain_id"].to_numpy()
    eval_domain_id = eval_of_group[group]
    domain_id = table["domain_id"].to_numpy().astype(np.int32)[eval_domain_id]
    return Domains(
        domain_id, eval_domain_id, table.select("eval_domain_id", "domain_id", *columns, *counts)
    )


def _compress(key: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct values of `key` in order, and the position of each element among them."""
    bound = int(key.max()) + 1
    if bound > 4 * len(key):
        return np.unique(key, return_inverse=True)
    keys = np.flatnonzero(np.bincount(key, minlength=bound))
    position_of = np.zeros(bound, dtype=np.int64)
    position_of[keys] = np.arange(len(keys))
    return keys, position_of[key]


def _volumes(
    group: np.ndarray, rows: RowOrder, label: np.ndarray, num_groups: int
) -> dict[str, np.ndarray]:
    counts: dict[str, np.ndarray] = {}
    for split, part in rows.ranges().items():
        members = group[part.start : part.stop]
        clicked = members[label[part.start : part.stop] == 1]
        counts[f"{split}_impressions"] = np.bincount(members, minlength=num_groups)
        counts[f"{split}_clicks"] = np.bincount(clicked, minlength=num_groups)
    ordered = [f"{split}_{count}" for split in SPLITS for count in ("impressions", "clicks")]
    return {name: counts[name] for name in ordered}
