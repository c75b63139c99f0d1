"""How alike the domains of a log are by what their rows hold, whatever the labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from datasets.prepare import PreparedData

MOST_DOMAINS = 400  # those with the most train rows


def input_similarity(data: PreparedData) -> dict[str, NDArray[np.generic]]:
    """The domains with the most train rows, and how alike the inputs of any two are.

    `eval_domain_id` is (n,), from the largest domain on, and `observed` (n, n) float32: the mean
    over the fields that are no domain columns of the Bhattacharyya coefficient sum_v sqrt(p_v q_v)
    of the two domains' shares p and q of each value v in train. It is 1 for equal shares and 0 for
    domains that have no value in common.
    """
    train = data.split["train"]
    rows = data.rows()[train.start : train.stop]
    counts = np.bincount(rows[:, -2])
    largest = np.argsort(-counts, kind="stable")[:MOST_DOMAINS]
    largest = largest[counts[largest] > 0]
    place = np.full(counts.size, -1)
    place[largest] = np.arange(largest.size)
    position = place[rows[:, -2]]
    is_kept = position >= 0
    schema = data.schema
    first, last = schema.num_domain_fields, len(schema.fields)
    affinity = np.zeros((largest.size, largest.size))
    for column in range(first, last):
        affinity += _affinity(position[is_kept], rows[is_kept, column], largest.size)
    observed = affinity / max(last - first, 1)
    return {"eval_domain_id": largest.astype(np.int32), "observed": observed.astype(np.float32)}


def _affinity(
    domain: NDArray[np.int64], value: NDArray[np.int32], num_domains: int
) -> NDArray[np.float64]:
    """The Bhattacharyya coefficients (D, D) of the domains' shares of one field's values."""
    ones = np.ones(domain.size)
    counts = sparse.csr_array((ones, (domain, value)), shape=(num_domains, int(value.max()) + 1))
    counts.sum_duplicates()
    roots = (sparse.diags_array(1.0 / counts.sum(axis=1)) @ counts).sqrt()
    return (roots @ roots.T).toarray()
