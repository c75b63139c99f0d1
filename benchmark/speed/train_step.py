"""Seconds of a training step, against its bare matrix products, on one thread."""

from __future__ import annotations

import itertools
import statistics
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import torch

from benchmark.cost.random_log import (
    AD_LOG,
    NUM_DOMAIN_FIELDS,
    NUM_ROWS,
    RARE_DOMAINS,
    RARE_IDS,
    ad_log_schema,
    model_on,
    protocol_of,
    random_rows,
    random_schema,
    training_step,
)
from benchmark.protocol import COMPACT, PAPER_PUBLIC
from benchmark.speed.figures import Measurement, interleaved, ratio
from benchmark.training.process import set_up_torch
from benchmark.training.trainer import TrainSplit

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmark.protocol import Protocol
    from datasets.spec import EncodedSchema

WIDTHS = ((len(AD_LOG) + 2) * PAPER_PUBLIC.embedding_dim, *PAPER_PUBLIC.hidden_dims)
COMPACT_LOG = (4, 9, 12, 400, 300, *(20,) * 7)  # 12 fields, as in a generated log
COMPACT_WIDTHS = (len(COMPACT_LOG) * COMPACT.embedding_dim, *COMPACT.hidden_dims)
ROUNDS = 9
COMPILED = ("plain", "adasparse", "apg", "maml")
FEW, MANY = 12, 432  # domains: values of one column, and of a partition of the IAAC log's kind
# Times of a plain step at batch 256. A step of MAML visits as many rows as any other.
GOALS = {
    ("adasparse", FEW): 2.0,
    ("apg", FEW): 4.5,  # a core for every row, generated from [e_d ; h]
    ("maml", FEW): 4.0,
    ("star", FEW): 2.5,
    ("star", MANY): 6.0,
}


def measure() -> list[Measurement]:
    """All figures of the training step; those at public sizes begin with their unit."""
    set_up_torch()
    figures = []
    for batch_size, goal in ((256, 1.8), (1024, 1.5)):
        acts = _acts(batch_size)
        seconds = interleaved(acts, ROUNDS, repeats=100 * 256 // batch_size)
        figures += _figures(batch_size, goal, seconds)
    with TemporaryDirectory(prefix="graphs_") as name:
        return figures + _compact(Path(name)) + _compiled(Path(name))


def _compact(graphs: Path) -> list[Measurement]:
    """The steps at the sizes of the smaller presets, own and compiled."""
    protocol, schema = replace(COMPACT, batch_size=256), random_schema(COMPACT_LOG, FEW)
    acts = {"products": _products(256, list(itertools.pairwise((*COMPACT_WIDTHS, 1))))}
    seconds = interleaved(acts | _both_ways(schema, protocol, graphs), ROUNDS, repeats=200)
    return _figures_of_both("compact, batch 256: ", "<= 3.0", seconds)


def _compiled(graphs: Path) -> list[Measurement]:
    """The steps at public sizes, own and compiled."""
    figures = []
    for batch_size, goal in ((256, 1.8), (1024, 1.5)):
        acts = {"products": _products(batch_size, list(itertools.pairwise((*WIDTHS, 1))))}
        acts |= _both_ways(ad_log_schema(FEW), protocol_of(batch_size), graphs)
        seconds = interleaved(acts, ROUNDS, repeats=100 * 256 // batch_size)
        figures += _figures_of_both(f"batch {batch_size}: ", f"<= {goal}", seconds)
    return figures


def _both_ways(
    schema: EncodedSchema, protocol: Protocol, graphs: Path
) -> dict[str, Callable[[], None]]:
    """The steps of the methods that can be compiled, as the method makes them and compiled."""
    return {
        f"{way} {method}": _step(method, schema, protocol, graphs if way == "compiled" else None)
        for method in COMPILED
        for way in ("own", "compiled")
    }


def _figures_of_both(label: str, goal: str, seconds: dict[str, list[float]]) -> list[Measurement]:
    figures = []
    for way in ("own", "compiled"):
        times = ratio(seconds[f"{way} plain"], seconds["products"])
        name = f"{label}{way} DNN step"
        figures.append(Measurement(name, f"{times:.2f} x products", goal))
    for method in COMPILED:
        own, compiled = seconds[f"own {method}"], seconds[f"compiled {method}"]
        shares = f"{ratio(compiled, own):.2f} x its own"
        plain = f"{ratio(compiled, seconds['compiled plain']):.2f} x compiled plain"
        milliseconds = f"{1e3 * statistics.median(compiled):.2f} ms"
        name = f"{label}compiled {method} step, {FEW} domains"
        figures.append(Measurement(name, f"{milliseconds}, {shares}, {plain}", "stated"))
    return figures


def _acts(batch_size: int) -> dict[str, Callable[[], None]]:
    few, many, protocol = ad_log_schema(FEW), ad_log_schema(MANY), protocol_of(batch_size)
    acts = {
        "products": _products(batch_size, list(itertools.pairwise((*WIDTHS, 1)))),
        "pruning": _products(batch_size, _pruner_maps()),
        "plain": _step("plain", few, protocol),
        "many": _step("plain", ad_log_schema(FEW, num_ids=5_000_000), protocol),
        "rare": _step("plain", ad_log_schema(RARE_DOMAINS, RARE_IDS), protocol),
    }
    for method, num_domains in GOALS if batch_size == 256 else [("adasparse", FEW)]:
        schema = few if num_domains == FEW else many
        acts[f"{method} {num_domains}"] = _step(method, schema, protocol)
    return acts


def _figures(batch_size: int, goal: float, seconds: dict[str, list[float]]) -> list[Measurement]:
    unit, plain = seconds["products"], seconds["plain"]
    label = f"batch {batch_size}: "
    milliseconds = 1e3 * statistics.median(unit)
    rare = ratio(seconds["rare"], unit)
    many = ratio(seconds["many"], plain)
    least = 1.0 + ratio(seconds["pruning"], plain)
    return [
        Measurement(label + "bare matrix products", f"{milliseconds:.2f} ms", "the unit"),
        Measurement(label + "DNN step", f"{ratio(plain, unit):.2f} x products", f"<= {goal}"),
        Measurement(label + "DNN step, rare ids only", f"{rare:.2f} x products", f"<= {goal}"),
        Measurement(label + "DNN step, 5 million ids", f"{many:.2f} x 0.567 million", "<= 1.2"),
        *_of_methods(label, seconds),
        Measurement(label + "plain and the pruners' products", f"{least:.2f} x plain", "the floor"),
    ]


def _of_methods(label: str, seconds: dict[str, list[float]]) -> list[Measurement]:
    figures = []
    for (method, num_domains), most in GOALS.items():
        if f"{method} {num_domains}" in seconds:
            own = seconds[f"{method} {num_domains}"]
            times, units = ratio(own, seconds["plain"]), ratio(own, seconds["products"])
            name = f"{label}{method} step, {num_domains} domains"
            measured = f"{times:.2f} x plain, {units:.1f} x products"
            figures.append(Measurement(name, measured, f"<= {most}"))
    return figures


def _pruner_maps() -> list[tuple[int, int]]:
    """Inputs and outputs of AdaSparse's pruners, e_d being the head of x_0 and beside h."""
    n_domain = NUM_DOMAIN_FIELDS * PAPER_PUBLIC.embedding_dim
    return [(WIDTHS[0], WIDTHS[0]), *((n + n_domain, n) for n in PAPER_PUBLIC.hidden_dims)]


def _products(batch_size: int, maps: list[tuple[int, int]]) -> Callable[[], None]:
    """The three products of every affine map: forward, gradient of the weight, of the input."""
    inputs = [torch.randn(batch_size, n_in) for n_in, _ in maps]
    outputs = [torch.randn(batch_size, n_out) for _, n_out in maps]
    weights = [torch.randn(n_out, n_in) for n_in, n_out in maps]

    def multiply() -> None:
        for weight, low, high in zip(weights, inputs, outputs, strict=True):
            torch.mm(low, weight.T)
            torch.mm(high.T, low)
            torch.mm(high, weight)

    return multiply


def _step(
    method: str, schema: EncodedSchema, protocol: Protocol, graphs: Path | None = None
) -> Callable[[], None]:
    model, optimizer = model_on(schema, protocol, "dnn", method)
    split = TrainSplit(random_rows(schema, NUM_ROWS), range(NUM_ROWS), protocol.batch_size)
    return training_step(model, optimizer, split, graphs)
