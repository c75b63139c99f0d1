"""Seconds of a training step, against its bare matrix products, on one thread."""

from __future__ import annotations

import itertools
import statistics
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from benchmark.config import Regularisers, RunConfig
from benchmark.optimizers import Table, make_optimizer
from benchmark.protocol import COMPACT
from benchmark.runner import build, set_up_torch
from benchmark.speed.figures import Figure, interleaved, ratio
from benchmark.trainer import TrainSplit
from datasets.loader import EncodedRows, column_names
from datasets.spec import EncodedSchema
from models.registry import load_backbone, load_method

if TYPE_CHECKING:
    from collections.abc import Callable

NUM_FIELDS = 22
NUM_DOMAIN_FIELDS = 3
SMALL_FIELD = 850  # codes of each field but the first two ids behind the domain fields
HIDDEN_DIMS = (128, 64, 32)
EMBEDDING_DIM = 16
NUM_ROWS = 200_000
ROUNDS = 15


def measure() -> list[Figure]:
    """All figures of the training step; the first is the unit of the others."""
    set_up_torch("cpu")
    figures = []
    for batch_size, goal in ((256, 3.5), (1024, 2.5)):
        acts = {
            "products": _products(batch_size),
            "plain": _step("plain", 567_000, batch_size),
            "plain, 5 million ids": _step("plain", 5_000_000, batch_size),
            "adasparse": _step("adasparse", 567_000, batch_size),
        }
        seconds = interleaved(acts, ROUNDS, repeats=20 * 256 // batch_size)
        figures += _figures(batch_size, goal, seconds)
    return figures


def _figures(batch_size: int, goal: float, seconds: dict[str, list[float]]) -> list[Figure]:
    unit, plain = seconds["products"], seconds["plain"]
    many, pruned = seconds["plain, 5 million ids"], seconds["adasparse"]
    label = f"batch {batch_size}: "
    milliseconds = 1e3 * statistics.median(unit)
    return [
        Figure(label + "bare matrix products", f"{milliseconds:.2f} ms", "the unit"),
        Figure(label + "DNN step", f"{ratio(plain, unit):.2f} x products", f"<= {goal}"),
        Figure(label + "5 million ids", f"{ratio(many, plain):.2f} x 0.567 million", "<= 1.2"),
        Figure(label + "AdaSparse step", f"{ratio(pruned, plain):.2f} x plain", "<= 2.5"),
    ]


def _products(batch_size: int) -> Callable[[], None]:
    """The three products of every affine map: forward, gradient of the weight, of the input."""
    widths = (NUM_FIELDS * EMBEDDING_DIM, *HIDDEN_DIMS, 1)
    values = [torch.randn(batch_size, width) for width in widths]
    weights = [torch.randn(high, low) for low, high in itertools.pairwise(widths)]

    def multiply() -> None:
        for weight, low, high in zip(weights, values, values[1:], strict=False):
            torch.mm(low, weight.T)
            torch.mm(high.T, low)
            torch.mm(high, weight)

    return multiply


def _step(method: str, num_ids: int, batch_size: int) -> Callable[[], None]:
    """One step as the trainer makes it: gather, forward, backward, optimiser, schedules."""
    schema = _schema(num_ids)
    split = TrainSplit(EncodedRows(_random_rows(schema), schema), range(NUM_ROWS), batch_size)
    model = build(_config(method, batch_size), schema, base_rate=0.5).train()
    weight = model.embedding.weight
    optimizer = make_optimizer(
        model.parameters(),
        1e-3,
        Regularisers(),
        table=Table(weight, torch.ones(weight.shape[0]), is_row_wise=True),
        steps_per_epoch=split.steps_per_epoch,
    )
    order = torch.Generator().manual_seed(0)
    batches = itertools.chain.from_iterable(
        model.method.batches(split, order) for _ in itertools.count()
    )

    def step() -> None:
        model.method.update(model, split.batch(next(batches)), optimizer)
        model.method.after_step(0.5)

    return step


def _schema(num_ids: int) -> EncodedSchema:
    """Domain fields, two large id fields that share what is left of `num_ids`, small fields."""
    large = num_ids - SMALL_FIELD * (NUM_FIELDS - 2)
    small = [SMALL_FIELD] * (NUM_FIELDS - 2)
    user, item = large * 3 // 4, large - large * 3 // 4
    sizes = (*small[:NUM_DOMAIN_FIELDS], user, item, *small[NUM_DOMAIN_FIELDS:])
    return EncodedSchema(
        fields=tuple(f"field{index}" for index in range(NUM_FIELDS)),
        field_sizes=sizes,
        num_domain_fields=NUM_DOMAIN_FIELDS,
        bags=(),
        bag_sizes=(),
        bag_lengths=(),
        num_domains=SMALL_FIELD,
        num_tasks=SMALL_FIELD,
    )


def _random_rows(schema: EncodedSchema) -> np.ndarray:
    """Rows whose codes are uniform over their field, the worst case for the cache."""
    rng = np.random.default_rng(0)
    rows = np.zeros((NUM_ROWS, len(column_names(schema))), np.int32)
    for column, size in enumerate(schema.field_sizes):
        rows[:, column] = rng.integers(0, size, NUM_ROWS)
    rows[:, -1] = rng.integers(0, 2, NUM_ROWS)  # the label
    return rows


def _config(method: str, batch_size: int) -> RunConfig:
    protocol = replace(
        COMPACT, embedding_dim=EMBEDDING_DIM, hidden_dims=HIDDEN_DIMS, batch_size=batch_size
    )
    return RunConfig(
        dataset="random",
        data_fingerprint="",
        split="shuffle",
        features=(),
        partition=(),
        task="",
        protocol=protocol,
        backbone="dnn",
        method=method,
        seed=0,
        embedding_optimizer="sparse",
        backbone_config=asdict(load_backbone("dnn").config()),
        method_config=asdict(load_method(method).config()),
        regularisers=Regularisers(),
    )
