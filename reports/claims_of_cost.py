"""The parts of the claims on cost, which are counts and have no error (AdaSparse, 3.1.3)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from reports.evidence import Part, counted
from reports.figures import scaling

if TYPE_CHECKING:
    from reports.evidence import Evidence

OWN, INDIVIDUAL = "adasparse", ("maml", "star")
MANY = 5_000  # domains, as many as the paper's production log has
IMPRACTICAL = 100.0  # times the parameters of the plain backbone


def cheaper_than_individual(evidence: Evidence) -> list[Part]:
    """Fewer multiply-adds per row, and fewer parameters for many domains, than each of them."""
    return [
        Part(
            label=f"{quantity} of {other} : AdaSparse, at {MANY:,} domains",
            measure=counted(math.log10(_ratio(evidence, quantity, other, OWN))),
            unit="log10",
            needs="the study cost",
        )
        for quantity in ("multiply_adds", "parameters")
        for other in INDIVIDUAL
    ]


def individual_impractical(evidence: Evidence) -> list[Part]:
    """More than `IMPRACTICAL` times the parameters of the plain backbone."""
    return [
        Part(
            label=f"parameters of {method} : plain, at {MANY:,} domains, above {IMPRACTICAL:g}",
            measure=counted(
                math.log10(_ratio(evidence, "parameters", method, "plain") / IMPRACTICAL)
            ),
            unit="log10",
            needs="the study cost",
        )
        for method in INDIVIDUAL
    ]


def _ratio(evidence: Evidence, quantity: str, left: str, right: str) -> float:
    """Of two methods' counts; nan where one is not known."""
    table = scaling.tabulate(evidence.runs)
    if table.empty:
        return math.nan
    is_wanted = (table["kind"] == scaling.COUNTED) & (table["num_domains"] == MANY)
    counts = table[is_wanted & (table["quantity"] == quantity)].set_index("method")["value"]
    return float(counts.get(left, math.nan)) / float(counts.get(right, math.nan))
