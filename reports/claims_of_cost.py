"""The parts of the claims on cost, which are counts and have no error (AdaSparse, 3.1.3)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from reports.evidence import COUNTED, Part, counted
from reports.figures import scaling
from reports.names import BASELINE, TITLES

if TYPE_CHECKING:
    from reports.evidence import Evidence

OWN, INDIVIDUAL = "adasparse", ("maml", "star")
DEARER = {  # than AdaSparse, the paper says
    "multiply_adds": ("star", "apg"),
    "parameters": INDIVIDUAL,
}
MANY = 5_000  # domains, as many as the paper's production log has
LEAST = {"multiply_adds": 1.0, "parameters": 10.0}  # multiples of AdaSparse's: less, much less
WORDS = {
    "multiply_adds": "multiply-adds of a row",
    "parameters": f"parameters at {MANY:,} domains",
}
IMPRACTICAL = 100.0  # times the parameters of the plain backbone


def cheaper(evidence: Evidence) -> list[Part]:
    """Fewer multiply-adds of a row than STAR and APG; far fewer parameters than MAML and STAR."""
    return [
        _multiple(evidence, quantity, other, OWN, limit)
        for quantity, limit in LEAST.items()
        for other in DEARER[quantity]
    ]


def individual_impractical(evidence: Evidence) -> list[Part]:
    """More than `IMPRACTICAL` times the parameters of the plain backbone."""
    return [
        _multiple(evidence, "parameters", method, BASELINE, IMPRACTICAL) for method in INDIVIDUAL
    ]


def _multiple(evidence: Evidence, quantity: str, left: str, right: str, limit: float) -> Part:
    """How many times the one is the other, more than `limit` being claimed."""
    ratio = _ratio(evidence, quantity, left, right)
    return Part(
        label=f"{WORDS[quantity]}, {TITLES[left]} : {TITLES[right]}, claimed above {limit:g}",
        measure=counted(math.log10(ratio / limit)),
        unit=COUNTED,
        limit=limit,
        needs="the study cost",
    )


def _ratio(evidence: Evidence, quantity: str, left: str, right: str) -> float:
    """Of two methods' counts; nan where one is not known."""
    table = scaling.tabulate(evidence.runs)
    if table.empty:
        return math.nan
    is_wanted = (table["kind"] == scaling.COUNTED) & (table["num_domains"] == MANY)
    counts = table[is_wanted & (table["quantity"] == quantity)].set_index("method")["value"]
    return float(counts.get(left, math.nan)) / float(counts.get(right, math.nan))
