"""Seconds of a training step, against its bare matrix products, on one thread."""

from __future__ import annotations

import itertools
import statistics
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from benchmark.protocol import COMPACT
from benchmark.random_log import NUM_DOMAIN_FIELDS, model_on, random_rows, random_schema
from benchmark.runner import set_up_torch
from benchmark.speed.figures import Figure, interleaved, ratio
from benchmark.trainer import TrainSplit

if TYPE_CHECKING:
    from collections.abc import Callable

# 22 fields as in an ad log: three of the domain, four middling ids, thirteen small fields, and two
# large ids (users and items) that share what is left of the vocabulary. A batch of 256 rows then
# holds about 1,800 distinct ids of 5,632; in KuaiRand-Pure it is 1,456 of 9,216, in the IAAC sample
# 1,046 of 5,120.
AD_LOG = (4, 9, 12, 12_000, 4_000, 2_000, 1_000, *(20,) * 13)
# The worst case: hardly an id occurs twice in a batch of 256 rows (about 4,900 of 5,632).
RARE_IDS = (850,) * 20
HIDDEN_DIMS = (128, 64, 32)
EMBEDDING_DIM = 16
WIDTHS = ((len(AD_LOG) + 2) * EMBEDDING_DIM, *HIDDEN_DIMS)
NUM_ROWS = 200_000
ROUNDS = 9


def measure() -> list[Figure]:
    """All figures of the training step; the first is the unit of the others."""
    set_up_torch("cpu")
    figures = []
    for batch_size, goal in ((256, 3.5), (1024, 2.5)):
        acts = {
            "products": _products(batch_size, list(itertools.pairwise((*WIDTHS, 1)))),
            "pruning": _products(batch_size, _pruner_maps()),
            "plain": _step("plain", AD_LOG, 567_000, batch_size),
            "many": _step("plain", AD_LOG, 5_000_000, batch_size),
            "rare": _step("plain", RARE_IDS, 567_000, batch_size),
            "adasparse": _step("adasparse", AD_LOG, 567_000, batch_size),
        }
        seconds = interleaved(acts, ROUNDS, repeats=100 * 256 // batch_size)
        figures += _figures(batch_size, goal, seconds)
    return figures


def _figures(batch_size: int, goal: float, seconds: dict[str, list[float]]) -> list[Figure]:
    unit, plain = seconds["products"], seconds["plain"]
    label = f"batch {batch_size}: "
    milliseconds = 1e3 * statistics.median(unit)
    rare = ratio(seconds["rare"], unit)
    many = ratio(seconds["many"], plain)
    pruned, units = ratio(seconds["adasparse"], plain), ratio(seconds["adasparse"], unit)
    least = 1.0 + ratio(seconds["pruning"], plain)
    return [
        Figure(label + "bare matrix products", f"{milliseconds:.2f} ms", "the unit"),
        Figure(label + "DNN step", f"{ratio(plain, unit):.2f} x products", f"<= {goal}"),
        Figure(label + "DNN step, rare ids only", f"{rare:.2f} x products", f"<= {goal}"),
        Figure(label + "DNN step, 5 million ids", f"{many:.2f} x 0.567 million", "<= 1.2"),
        Figure(label + "AdaSparse step", f"{pruned:.2f} x plain, {units:.1f} x products", "<= 2.5"),
        Figure(label + "plain and the pruners' products", f"{least:.2f} x plain", "the floor"),
    ]


def _pruner_maps() -> list[tuple[int, int]]:
    """Inputs and outputs of AdaSparse's pruners, e_d being the head of x_0 and beside h."""
    n_domain = NUM_DOMAIN_FIELDS * EMBEDDING_DIM
    return [(WIDTHS[0], WIDTHS[0]), *((n + n_domain, n) for n in HIDDEN_DIMS)]


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


def _step(method: str, sizes: tuple[int, ...], num_ids: int, batch_size: int) -> Callable[[], None]:
    """One step as the trainer makes it: gather, forward, backward, optimiser, schedules.

    Beside the fields of these sizes, two large ones share the rest of `num_ids`.
    """
    large = num_ids - sum(sizes)
    schema = random_schema((*sizes, large * 3 // 4, large - large * 3 // 4))
    protocol = replace(
        COMPACT, embedding_dim=EMBEDDING_DIM, hidden_dims=HIDDEN_DIMS, batch_size=batch_size
    )
    model, optimizer = model_on(schema, protocol, "dnn", method)
    split = TrainSplit(random_rows(schema, NUM_ROWS), range(NUM_ROWS), batch_size)
    order = torch.Generator().manual_seed(0)
    batches = itertools.chain.from_iterable(
        model.method.batches(split, order) for _ in itertools.count()
    )

    def step() -> None:
        model.method.update(model, split.batch(next(batches)), optimizer)
        model.method.after_step(0.5)

    return step
