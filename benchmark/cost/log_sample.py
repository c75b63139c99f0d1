"""A sample of a prepared log: what timing a model on it needs, whatever its size."""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import numpy as np

from datasets.loader import EncodedRows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from datasets.prepare import PreparedData

EMPTY = -1  # a slot of a bag


def sample_of(data: PreparedData, num_rows: int, most_domains: int) -> EncodedRows:
    """At most `num_rows` train rows, evenly spaced, with ids that count those among them.

    A batch of them holds as many different ids as one of the log, while tables are small: they have
    no ids of other rows. Domains and tasks beyond `most_domains` share an id, for a method may have
    a network for each.
    """
    train = data.split["train"]
    positions = np.linspace(train.start, train.stop - 1, min(num_rows, len(train))).astype(np.int64)
    rows = np.array(data.rows()[positions])  # (N, C)
    schema = data.schema
    widths = (*(1 for _ in schema.fields), *schema.bag_lengths)
    edges = list(accumulate(widths, initial=0))
    sizes = [_recode(rows[:, start:stop]) for start, stop in pairwise(edges)]
    counts = []
    for ids in (rows[:, edges[-1]], rows[:, edges[-1] + 1]):  # of domains, of tasks
        counts.append(1 + min(_recode(ids), most_domains))
        ids[:] = 1 + ids % most_domains
    folded = replace(
        schema,
        field_sizes=tuple(sizes[: len(schema.fields)]),
        bag_sizes=tuple(sizes[len(schema.fields) :]),
        num_domains=counts[0],
        num_tasks=counts[1],
    )
    return EncodedRows(rows, folded)


def _recode(codes: NDArray[np.int32]) -> int:
    """Count the codes that occur from 0 on, in place, and return their number."""
    is_code = codes != EMPTY
    known, codes[is_code] = np.unique(codes[is_code], return_inverse=True)
    return max(len(known), 1)
