"""The cost of a model, counted and timed: parameters, multiply-adds, work of training, latency."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from models.interfaces import AdaptedPredictor
from models.layers.tables import DomainTable, domain_tables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmark.config import Json
    from benchmark.training.trainer import Training
    from datasets.loader import Batch, EncodedRows
    from models.ctr_model import CTRModel
    from models.interfaces import Predictor

ROWS = 64  # a power of two, so that no group of rows is padded
WARM_UP_CALLS = 10


def cost_of(
    model: CTRModel, rows: EncodedRows, *, predictor: Predictor, training: Training
) -> dict[str, Json]:
    """Counts only; seconds are in the record's `timing`.

    `predictor` is what the method adapts the model to for evaluation.
    """
    return {
        **parameter_counts(model, predictor),
        **multiply_adds(model, rows),
        "optimizer_steps": training.steps,
        "sample_visits": training.sample_visits,
    }


def multiply_adds(model: CTRModel, rows: EncodedRows) -> dict[str, int]:
    """The multiply-adds of one row of a seen domain that is scored on its own.

    The `shared` ones among them are done once for all rows of the domain in a batch. Both follow
    from the counts of two batches that hold rows of one domain.
    """
    once, twice = (count_multiply_adds(model, _one_domain(rows, n)) for n in (ROWS, 2 * ROWS))
    per_row = (twice - once) // ROWS
    shared = once - ROWS * per_row
    return {"multiply_adds": per_row + shared, "shared_multiply_adds": shared}


def parameter_counts(model: CTRModel, predictor: Predictor) -> dict[str, int]:
    """Numbers that the model holds, by what they grow with.

    `embedding_parameters` grow with the vocabulary, `domain_parameters` and `domain_buffers` with
    the number of domains; `dense_parameters` are all other parameters. `served_parameters` are all
    parameters, and the copies of them that the predictor adapted to domains.
    """
    embedding = sum(parameter.numel() for parameter in model.embedding.parameters())
    of_domains = sum(table.weight.numel() for table in domain_tables(model))
    total = sum(parameter.numel() for parameter in model.parameters())
    return {
        "embedding_parameters": embedding,
        "dense_parameters": total - embedding - of_domains,
        "domain_parameters": of_domains,
        "domain_buffers": _domain_buffers(model),
        "served_parameters": total + _adapted_copies(predictor),
    }


def count_multiply_adds(model: CTRModel, batch: Batch) -> int:
    """Multiply-adds of all matrix products of a forward pass in evaluation mode.

    Torch counts two operations for each. It sees products within autograd functions and batched
    ones, padding included, but neither elementwise work nor embedding look-ups.
    """
    was_training = model.training
    model.eval()
    with torch.no_grad():
        model(batch)  # first, so that what a model keeps between passes is not counted
        with _Operations() as counted:
            model(batch)
    model.train(was_training)
    return counted.total // 2


def _one_domain(rows: EncodedRows, n: int) -> Batch:
    batch = rows.batch(torch.zeros(n, dtype=torch.int64, device=rows.matrix.device))
    ids = torch.ones_like(batch.domain_id)
    return replace(batch, domain_id=ids, task_id=ids)


def _adapted_copies(predictor: Predictor) -> int:
    if not isinstance(predictor, AdaptedPredictor):
        return 0
    return sum(v.numel() for v in predictor.tensors().values() if v.is_floating_point())


class _Operations(TorchDispatchMode):
    """Sums torch's formulas over what is dispatched, as its `FlopCounterMode` without gradients.

    That one imports the compiler of torch, which takes a second.
    """

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # whoever skips the compiler imports it first

    def __torch_dispatch__(
        self,
        func: torch._ops.OpOverload,
        types: Sequence[type],
        args: tuple[object, ...] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        """Do an operation and add what it costs."""
        named = kwargs or {}
        found = func(*args, **named)
        packet = func.overloadpacket
        if packet is torch.ops.aten.addmm_:  # torch leaves it out
            packet = torch.ops.aten.addmm
        if packet in flop_registry:
            self.total += flop_registry[packet](*args, **named, out_val=found)
        return found


def _domain_buffers(model: CTRModel) -> int:
    """Values of the buffers with a row per domain, beside the tables of the same module."""
    num_tasks = model.method.shape.num_tasks
    return sum(
        buffer.numel()
        for module in model.modules()
        if any(isinstance(child, DomainTable) for child in module.children())
        for buffer in module.buffers(recurse=False)
        if buffer.shape[:1] == (num_tasks,)
    )


def latency(predictor: Predictor, rows: EncodedRows, calls: Mapping[int, int]) -> dict[str, float]:
    """Median and 99th percentile of a call, by batch size; `calls` says how many of each.

    A call is timed from encoded rows until the logits are in CPU memory, with warm caches and in
    this process's number of threads. Every call scores other rows, in the order of the log.
    """
    found: dict[str, float] = {}
    for batch_size, count in calls.items():
        milliseconds = _milliseconds(predictor, rows, batch_size, count)
        for percent in (50, 99):
            name = f"latency_batch{batch_size}_p{percent}_milliseconds"
            found[name] = float(np.percentile(milliseconds, percent))
    return found


@torch.inference_mode()
def _milliseconds(
    predictor: Predictor, rows: EncodedRows, batch_size: int, count: int
) -> list[float]:
    seconds = []
    num_starts = max(1, len(rows) - batch_size + 1)
    for call in range(WARM_UP_CALLS + count):
        first = call * batch_size % num_starts
        batch = rows.range(first, min(first + batch_size, len(rows)))
        start = time.perf_counter()
        predictor(batch).cpu()
        seconds.append(time.perf_counter() - start)
    return [1e3 * value for value in seconds[WARM_UP_CALLS:]]
