"""Groups of domains by their train impressions: bins of equal shares, and groups of fixed size."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

NUM_BINS = 5
TRAIN_GROUPS = {  # by the least train rows
    "no train rows": 0,
    "1 to 99 train rows": 1,
    "100 or more train rows": 100,
}
BINS_NOTE = (
    "Bins: domains from the most train impressions to the fewest, cut where one fifth, two fifths"
    " and so on of these impressions are reached; a domain belongs to the bin that holds the middle"
    " of its own. Domains that train lacks are in bin 5."
)


def bins_of(train_impressions: ArrayLike) -> NDArray[np.int64]:
    """The bin 1 to 5 of each domain (D,); of equal domains the first comes first."""
    impressions = np.asarray(train_impressions, np.int64)
    order = np.argsort(-impressions, kind="stable")
    reached = impressions[order].cumsum()
    doubled_middle = 2 * reached - impressions[order]  # whole numbers, so that cuts are exact
    bins = np.empty(impressions.size, np.int64)
    bins[order] = np.minimum(NUM_BINS * doubled_middle // max(1, 2 * reached[-1]), NUM_BINS - 1) + 1
    return bins


def bins_by_domain(domains: pd.DataFrame) -> NDArray[np.int64]:
    """The bins of a prepared log's domains, each at the position of its `eval_domain_id`."""
    return bins_of(domains["train_impressions"])


def train_groups_by_domain(domains: pd.DataFrame) -> NDArray[np.int64]:
    """The number from 1 on of each domain's group of `TRAIN_GROUPS`, placed as its bin is."""
    starts, rows = [*TRAIN_GROUPS.values()], domains["train_impressions"]
    return np.searchsorted(starts, rows, side="right").astype(np.int64)


def counts_of(domains: pd.DataFrame) -> dict[str, int]:
    """The numbers of domains, of those with both classes in test, and of test rows."""
    rows, clicks = domains["test_impressions"], domains["test_clicks"]
    return {
        "domains": len(domains),
        "gauc_domains": int(((clicks > 0) & (clicks < rows)).sum()),
        "test_rows": int(rows.sum()),
    }
