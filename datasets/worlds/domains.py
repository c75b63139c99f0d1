"""Which domains a world has, how many impressions each gets, and since when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from datasets.worlds.sampling import Launched, power_shares

if TYPE_CHECKING:
    from datasets.worlds.world import WorldLayout

DOMAINS_AT, ROWS_AT, GROWTH = 300, 255_000, 0.8  # domains, at so many rows; power of the rows
TRAIN_END, TEST_START = 4 / 6, 5 / 6  # of a split 4:1:1 by time
EMERGING_SHARE = 0.08  # of the domains, of each of the two kinds
HEAD_SHARE = 0.1  # of the domains by rank: these never emerge late
FEW_ROWS = (10, 80)  # expected train rows of a domain that appears at the end of train
MARGIN = 0.002  # keeps a domain of test alone clear of the cut


@dataclass(frozen=True, slots=True)
class WorldDomains:
    """The domains of a world, the one of most impressions first."""

    value_index: np.ndarray  # (D, fields) positions in the values of each field
    group: np.ndarray  # (D,) one per combination of user fields
    group_share: np.ndarray  # (groups,) of the impressions
    share: np.ndarray  # (D,) of the impressions, once all have appeared
    arrival: Launched


def num_domains(layout: WorldLayout, num_rows: int) -> int:
    """The number of domains of a log of this size."""
    return min(layout.max_domains, round(DOMAINS_AT * (num_rows / ROWS_AT) ** GROWTH))


def make_domains(layout: WorldLayout, num_rows: int, rng: np.random.Generator) -> WorldDomains:
    """Draw the domains; those of a small log are the first of a larger one."""
    fields = layout.domain_fields
    sizes = [len(field.values) for field in fields]
    shares = [power_shares(size, field.exponent) for size, field in zip(sizes, fields, strict=True)]
    index = np.indices(sizes).reshape(len(sizes), -1).T  # (all tuples, fields)
    popularity = sum(np.log(share[column]) for share, column in zip(shares, index.T, strict=True))
    # Gumbel noise makes the order a sample without replacement by the product of the shares.
    order = np.argsort(-(popularity + rng.gumbel(size=len(index))), kind="stable")
    count = max(2, num_domains(layout, num_rows))
    index = index[order[:count]]
    share = power_shares(count, layout.skew_exponent, layout.skew_shift)
    of_user = [place for place, field in enumerate(fields) if field.is_of_user]
    _, group = np.unique(index[:, of_user], axis=0, return_inverse=True)
    return WorldDomains(
        value_index=index,
        group=group,
        group_share=np.bincount(group, weights=share),
        share=share,
        arrival=Launched(share, _launch(share * num_rows, rng)),
    )


def _launch(expected_rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Share of the log before a domain's first impression; 0 for all but emerging domains."""
    count = len(expected_rows)
    launch = np.zeros(count)
    emerging = rng.permutation(np.arange(round(HEAD_SHARE * count), count))
    num_of_kind = round(EMERGING_SHARE * count)
    in_test, in_train = np.split(emerging[: 2 * num_of_kind], [num_of_kind])
    launch[in_test] = rng.uniform(TEST_START + MARGIN, TEST_START + 0.05, len(in_test))
    few = rng.uniform(*FEW_ROWS, len(in_train))
    launch[in_train] = np.maximum(0.0, TRAIN_END - few / expected_rows[in_train])
    return launch
