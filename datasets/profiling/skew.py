"""How unevenly the rows of a log spread over its domains."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SHARE = 0.2


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
