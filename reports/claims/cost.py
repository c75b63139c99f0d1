"""The parts of the claims on cost, which are counts and have no error (AdaSparse, 3.1.3)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from benchmark.config import OWN
from reports.analysis import domain_growth
from reports.analysis_plan import ANALYSIS
from reports.claims.evidence import counted
from reports.claims.paper import individual
from reports.claims.verdicts import COUNTED, Part
from reports.reading.names import name_of

if TYPE_CHECKING:
    from reports.claims.evidence import Evidence

LIMITS = ANALYSIS.cost
DEARER = {  # than AdaSparse, the paper says
    "multiply_adds": ("star", "apg"),
    "parameters": ("maml", "star"),
}
LEAST = {"multiply_adds": 1.0, "parameters": LIMITS.much_less_memory}  # multiples of AdaSparse's
WORDS = {
    "multiply_adds": "multiply-adds of a row",
    "parameters": f"parameters at {LIMITS.domains:,} domains",
}
PUBLIC, PRODUCTION = "public", "production"  # sizes of the paper


def cheaper(evidence: Evidence) -> list[Part]:
    """Fewer multiply-adds of a row than STAR and APG; far fewer parameters than MAML and STAR."""
    parts = []
    for quantity, limit in LEAST.items():
        counts = _counts(evidence, PUBLIC, quantity)
        for other in DEARER[quantity]:
            label = f"{WORDS[quantity]}, {name_of(other)} : {name_of(OWN)}, claimed above {limit:g}"
            ratio = counts.get(other, math.nan) / counts.get(OWN, math.nan)
            parts.append(_part(label, ratio, limit))
    return parts


def individual_impractical(evidence: Evidence) -> list[Part]:
    """More bytes than a machine has that serves them."""
    counts = _counts(evidence, PRODUCTION, "served_bytes")
    limit = LIMITS.impractical_gib
    return [
        _part(
            f"GiB that {name_of(method)} serves at {LIMITS.domains:,} domains, the embedding table"
            f" too, claimed above {limit:g}",
            counts.get(method, math.nan) / 2**30,
            limit,
        )
        for method in individual()
    ]


def _part(label: str, multiple: float, limit: float) -> Part:
    """A count that is claimed to be above `limit`."""
    return Part(
        label=label,
        measure=counted(math.log10(multiple / limit)),
        unit=COUNTED,
        limit=limit,
        needs="the study cost",
    )


def _counts(evidence: Evidence, sizes: str, quantity: str) -> dict[str, float]:
    """By method, at `LIMITS.domains`; those that are known."""
    table = domain_growth.counted(evidence.runs)
    own = table[(table["num_domains"] == LIMITS.domains) & (table["sizes"] == sizes)]
    return dict(zip(own["method"], own[quantity].astype(float), strict=True))
