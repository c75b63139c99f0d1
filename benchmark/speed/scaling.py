"""The growth of the cost of every method with the number of domains.

The paper (AdaSparse, arXiv 2206.13108, section 3.1.3) gives the "computation for the l-th layer"
as O(D N_l N_{l+1}) in STAR, O(D (N_l K + N_{l+1} K)) in APG and O(D N_l) in AdaSparse. No
computation that a row or a step needs has the factor D: a row is computed for its own domain, and a
step for the different domains in its batch, which are at most its rows. With D the first is the
memory of STAR, where every domain has its own matrices. The other two are nobody's memory, since U
and V of APG and the pruners of AdaSparse are shared; N_l times D is what storing the weighting
factors of all domains would take, which is possible where the pruner reads e_d alone. Per row APG
also has K^2 and the generation of K^2 values, and the pruner is N_l (N_l + E_d), not N_l.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

from benchmark.cost.domain_growth import BACKBONE, NUMS_DOMAINS
from benchmark.speed.cells import MeasuredModel, measure_cell, write_rows
from benchmark.speed.figures import Measurement, in_child
from models.registry import available, load_method

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from benchmark.speed.cells import Row

QUANTITIES = {
    "parameters": "served, without the embedding",
    "multiply_adds": "multiply-adds of a row",
    "latency_batch1_p50_milliseconds": "ms at batch 1",
    "latency_batch256_p50_milliseconds": "ms at batch 256",
    "serving_memory_mib": "MiB to serve",
    "training_memory_mib": "MiB to train",
    "step_milliseconds": "ms of a training step",
}


def measure(out: Path) -> Iterator[Measurement]:
    """Lines per method on the DNN as it is measured, and `<out>/cost/domains.csv` in the end.

    A quantity y has the growth exponent log(y_5000 / y_10) / log(5000 / 10): 1 if it grows as D
    does, 0 if D has no part in it.
    """
    head = f"at {', '.join(map(str, NUMS_DOMAINS))} domains; last : first; exponent"
    yield Measurement("growth with the domains", head, "none")
    rows = []
    for method in available("methods"):
        models = [
            MeasuredModel(backbone=BACKBONE, method=method, num_domains=num_domains)
            for num_domains in NUMS_DOMAINS
        ]
        own = [in_child(measure_cell, model) for model in models]
        rows += own
        for quantity, words in QUANTITIES.items():
            values = [_value(row, quantity) for row in own]
            claim = load_method(method).claim if quantity == "multiply_adds" else None
            goal = f"none; the paper: {claim.text}" if claim else "none"
            yield Measurement(f"{method}: {words}", _text(values), goal)
    write_rows(out / "cost" / "domains.csv", rows)


def growth_exponent(values: Sequence[float]) -> float:
    """The power of D that leads from the first to the last of these values."""
    return math.log(values[-1] / values[0]) / math.log(NUMS_DOMAINS[-1] / NUMS_DOMAINS[0])


def _value(row: Row, quantity: str) -> float:
    names = ("served_parameters", "embedding_parameters")
    if quantity == "parameters":
        served, embedding = (cast("int", row[name]) for name in names)
        return served - embedding
    return cast("float", row[quantity])


def _text(values: Sequence[float]) -> str:
    numbers = " ".join(f"{value:,.2f}" if value < 100 else f"{value:,.0f}" for value in values)
    return f"{numbers}; {values[-1] / values[0]:.2f}; {growth_exponent(values):.2f}"
