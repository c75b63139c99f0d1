"""Candidate domain partitions of an unknown log: their domains, skew and click rates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from datasets.profiling.names import domain_score, is_user
from datasets.spec import DataError, DomainPartition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datasets.profiling.columns import Column

SHARE = 0.2
MAX_VALUES = 1_000  # of a column that may be a domain column
MAX_DOMAINS = 10_000
MAX_LISTED = 8
MIN_SECOND_SHARE = 0.01  # of rows outside the largest domain


@dataclass(frozen=True, slots=True, kw_only=True)
class Skew:
    """Domains of a partition that have rows, and how these rows spread.

    `head` is the least number of domains that hold at least 20% of the rows, `tail` the largest
    number that together hold at most 20%. Of one class are domains without a click, or with
    nothing else.
    """

    num_domains: int
    head: int
    tail: int
    without_click: int
    all_clicked: int

    @property
    def one_class(self) -> int:
        """Domains in which AUC is undefined."""
        return self.without_click + self.all_clicked


def skew_of(rows: np.ndarray, clicks: np.ndarray) -> Skew:
    """The skew of domains with so many rows and clicks each; domains without a row do not count."""
    clicks = clicks[rows > 0]
    rows = rows[rows > 0]
    falling = np.cumsum(np.sort(rows)[::-1])
    rising = np.cumsum(np.sort(rows))
    total = rows.sum()
    return Skew(
        num_domains=len(rows),
        head=int(np.searchsorted(falling, SHARE * total)) + 1 if len(rows) else 0,
        tail=int(np.searchsorted(rising, SHARE * total, side="right")),
        without_click=int((clicks == 0).sum()),
        all_clicked=int((clicks == rows).sum()),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A partition; `spread` is how far the click rates of its domains lie apart.

    It is their standard deviation over rows, after subtracting the variance that chance gives to
    domains of equal rates: 0 if they differ no more than that. `is_clear` tells that they differ by
    more than twice the error of that variance.
    """

    columns: tuple[str, ...]
    skew: Skew
    spread: float
    is_clear: bool
    largest_share: float

    @property
    def is_single(self) -> bool:
        """True of one column."""
        return len(self.columns) == 1

    @property
    def is_of_one_class(self) -> bool:
        """True if most domains have one class, so that AUC is undefined in them."""
        return 2 * self.skew.one_class > self.skew.num_domains


def candidate_partitions(
    rows: pl.DataFrame, label: np.ndarray, features: Sequence[Column]
) -> list[Candidate]:
    """Partitions by one column, the likeliest first, then the likely ones jointly.

    Raises:
        DataError: no column can be a domain column.
    """
    few = [column for column in features if column.kind == "categorical" and _is_nameable(column)]
    few = [column for column in few if 1 < column.distinct <= MAX_VALUES] or sorted(
        few, key=lambda column: column.distinct
    )[:1]
    singles = [_measure(rows, label, (column.name,)) for column in few]
    singles = [single for single in singles if single.largest_share <= 1 - MIN_SECOND_SHARE]
    if not singles:
        raise DataError(
            "no column can be a domain column: none holds tokens of which a second one has"
            f" {MIN_SECOND_SHARE:.0%} of the rows; add a column such as a scenario or a position"
        )
    singles.sort(key=_preference)
    joint = [
        _measure(rows, label, tuple(single.columns[0] for single in singles[:size]))
        for size in (2, 3)
        if len(singles) >= size
    ]
    joint = [both for both in joint if both.skew.num_domains <= MAX_DOMAINS]
    return singles[:MAX_LISTED] + joint


def choose_partition(candidates: Sequence[Candidate]) -> Candidate:
    """The two places or scenarios jointly if they cross and most joint domains have both classes.

    Otherwise the first single column.
    """
    alone = {candidate.columns[0]: candidate for candidate in candidates if candidate.is_single}
    for candidate in candidates:
        if candidate.is_single or len(candidate.columns) > 2:
            continue
        most = max(alone[name].skew.num_domains for name in candidate.columns)
        if (
            all(domain_score(name) == 2 for name in candidate.columns)
            and candidate.skew.num_domains > most
            and not candidate.is_of_one_class
        ):
            return candidate
    return candidates[0]


def _preference(single: Candidate) -> tuple[int, bool, bool, float, int]:
    """A telling name, groups of rows of both classes, rates that differ, then few domains.

    One user, or the items of one request, are no group: most of these have one class.
    """
    name = single.columns[0]
    return (
        -domain_score(name),
        is_user(name) or single.is_of_one_class,
        not single.is_clear,
        -single.spread if single.is_clear else 0.0,
        single.skew.num_domains,
    )


def _is_nameable(column: Column) -> bool:
    try:
        DomainPartition((column.name,))
    except DataError:
        return False
    return True


def _measure(rows_of: pl.DataFrame, label: np.ndarray, columns: tuple[str, ...]) -> Candidate:
    values = {str(place): rows_of[name] for place, name in enumerate(columns)}
    domains = (
        pl.DataFrame(values | {"label": label})
        .group_by([*values])
        .agg(pl.len().alias("rows"), pl.col("label").sum().cast(pl.Int64).alias("clicks"))
    )
    rows, clicks = domains["rows"].to_numpy().astype(np.int64), domains["clicks"].to_numpy()
    mean = clicks.sum() / rows.sum()
    between = np.average((clicks / rows - mean) ** 2, weights=rows)
    within = mean * (1 - mean)
    by_chance = (len(rows) - 1) * within / rows.sum()
    # of a sum over domains of squared deviations of binomial counts, in units of their variance
    error = np.sqrt((2 + (1 / max(within, 1e-12) - 6) / rows).sum()) * within / rows.sum()
    return Candidate(
        columns=columns,
        skew=skew_of(rows, clicks),
        spread=float(np.sqrt(max(0.0, between - by_chance))),
        is_clear=bool(between - by_chance > 2 * error),
        largest_share=float(rows.max() / rows.sum()),
    )
