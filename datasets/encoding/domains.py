"""Rows by their values: domains, which are tuples of the partition's values, and clusters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from datasets.encoding.tokens import MISSING
from datasets.spec import DOMAIN_IDS, apart

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datasets.encoding.splits import RowOrder
    from datasets.encoding.tokens import Tokens

PART_ROWS = 1 << 20  # rows that are looked at at a time
DENSE = 4  # a table of all keys is kept up to so many of them per row


@dataclass(frozen=True, slots=True)
class Domains:
    """Domain ids of the rows, and one table row per domain.

    In the table the columns of the log follow our ids; one whose name a column of ours has too
    steps aside (`spec.apart`), so that they are found by their place, see `values_of_domains`.
    """

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
    group = np.zeros(len(label), dtype=np.int32)
    members: dict[str, np.ndarray] = {}
    for name, column in columns.items():
        parents, positions = _refine(group, column, rows.order)
        members = {other: values[parents] for other, values in members.items()} | {name: positions}
    values = {
        str(place): column.tokens.gather(members[name])
        for place, (name, column) in enumerate(columns.items())
    }
    counts = _volumes(group, rows, label, len(members[next(iter(members))]))
    table = (
        pl.DataFrame(values | counts)
        .with_row_index("group")
        .sort("train_impressions", *values, descending=[True, *(False for _ in values)])
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
    ours = {*DOMAIN_IDS, *counts}
    shown = {
        place: apart(name, ours | (columns.keys() - {name}))
        for place, name in zip(values, columns, strict=True)
    }
    table = table.select(*DOMAIN_IDS, *values, *counts).rename(shown)
    return Domains(domain_id, eval_domain_id, table)


def values_of_domains(table: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """The values of a table of domains, under the names that the log has; `columns` are all."""
    first = len(DOMAIN_IDS)
    values = table[:, first : first + len(columns)]
    values.columns = [*columns]
    return values


def _refine(group: np.ndarray, column: Tokens, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Split the groups of rows, in place, by the values of a column; `order` is that of the rows.

    Returns of each new group the old one and the position of its value.
    """
    size = len(column.tokens)
    bound = (int(group.max(initial=0)) + 1) * size

    def key(part: slice) -> np.ndarray:
        return group[part].astype(np.int64) * size + column.positions[order[part]]

    parts = [slice(start, start + PART_ROWS) for start in range(0, len(group), PART_ROWS)]
    if bound <= DENSE * len(group):
        occurs = np.zeros(bound, dtype=bool)
        for part in parts:
            occurs[key(part)] = True
        keys = np.flatnonzero(occurs)
        number = np.zeros(bound, dtype=np.int32)
        number[keys] = np.arange(len(keys))
        for part in parts:
            group[part] = number[key(part)]
    else:
        keys = np.unique(np.concatenate([np.unique(key(part)) for part in parts]))
        for part in parts:
            group[part] = np.searchsorted(keys, key(part))
    return np.divmod(keys, size)


def _volumes(
    group: np.ndarray, rows: RowOrder, label: np.ndarray, num_groups: int
) -> dict[str, np.ndarray]:
    counts: dict[str, np.ndarray] = {}
    for split, part in rows.ranges().items():
        members = group[part.start : part.stop]
        clicked = members[label[part.start : part.stop] == 1]
        counts[f"{split}_impressions"] = np.bincount(members, minlength=num_groups)
        counts[f"{split}_clicks"] = np.bincount(clicked, minlength=num_groups)
    return counts


def cluster_codes(column: Tokens, order: np.ndarray) -> np.ndarray:
    """The cluster of each row, (N,) int32: numbered from 0 as they first appear.

    A row whose value is missing is a cluster of its own, since nothing says which rows share it.

    Args:
        column: the values of the raw rows.
        order: (N,) the raw row of each prepared row.
    """
    place = np.arange(len(order), dtype=np.int32)
    positions = column.positions[order]
    first = np.empty(len(column.tokens), dtype=np.int32)
    first[positions[::-1]] = place[::-1]  # of several values for one token the last one is kept
    first_place = first[positions]
    is_missing = (column.tokens == MISSING).to_numpy()[positions]
    first_place[is_missing] = place[is_missing]
    number = np.cumsum(first_place == place, dtype=np.int32) - 1
    return number[first_place]
