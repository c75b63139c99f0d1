"""The table: times of both sides, how often theirs holds ours, and the goal."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmark.speed.figures import ratio
from benchmark.speed.peers.task import WINDOWS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmark.speed.peers.task import Window

LEAST_TIMES = {256: 4.0, 1024: 2.5}  # of the peer's own compute against ours, by batch size
MOST_PRODUCTS = 1.3  # or ours against its bare matrix products
HEAD = (
    *("peer and model", "batch", "ids", "as documented", "with its loader", "own compute"),
    *("ours : its products", "goal"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """The seconds of a step, round by round."""

    name: str
    batch_size: int
    num_ids: int
    ours: Mapping[Window, list[float]]
    theirs: Mapping[Window, list[float]]
    products: list[float]

    def row(self) -> str:
        """A line of the table: our and their median milliseconds, and the ratio with its range."""
        own = self.ours["own_compute"]
        cells = [
            *(self.name, str(self.batch_size), f"{self.num_ids:,}"),
            *(beside(self.ours[window], self.theirs[window]) for window in WINDOWS),
            f"{ratio(own, self.products):.2f}",
            "met" if self.meets_goal else "missed",
        ]
        return line(cells)

    @property
    def meets_goal(self) -> bool:
        """Faster than the peer by the goal, or hardly slower than the bare products."""
        own = self.ours["own_compute"]
        times = ratio(self.theirs["own_compute"], own)
        return times >= LEAST_TIMES[self.batch_size] or ratio(own, self.products) <= MOST_PRODUCTS


def head() -> str:
    """The first two lines of the table."""
    return f"{line(HEAD)}\n{line(['---'] * len(HEAD))}"


def line(cells: Sequence[str]) -> str:
    """A line of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def beside(ours: list[float], theirs: list[float]) -> str:
    """Ours and theirs in milliseconds, medians; the median ratio; its least and greatest."""
    ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
    milliseconds = [f"{1e3 * statistics.median(side):.3g}" for side in (ours, theirs)]
    spread = f"{min(ratios):.2f}, {max(ratios):.2f}"
    return f"{' / '.join(milliseconds)}: {ratio(theirs, ours):.2f} x [{spread}]"
