"""How long a cell would take here: a few real steps on random rows, scaled up."""

from __future__ import annotations

import math
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import torch

from benchmark.config import Regularisers, RunConfig
from benchmark.evaluator import predict
from benchmark.optimizers import Table, make_optimizer
from benchmark.runner import build, set_up_torch
from benchmark.trainer import TrainSplit
from datasets.loader import EncodedRows, column_names
from datasets.spec import EncodedSchema
from models.registry import load_backbone, load_method

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmark.protocol import Preset, Protocol

NUM_FIELDS = 12
NUM_DOMAIN_FIELDS = 3
FIELD_SIZE = 1_000
NUM_ROWS = 8_192
NUM_STEPS = 20


def estimate_cell_seconds(preset: Preset, backbone: str, method: str) -> float:
    """Seconds of one cell at the preset's cap of train rows, if it never stops early."""
    set_up_torch("cpu")
    protocol = preset.protocol
    schema = _schema(protocol)
    rows = EncodedRows(_random_rows(schema), schema)
    split = TrainSplit(rows, range(NUM_ROWS), protocol.batch_size)
    model = build(_config(protocol, backbone, method), schema, base_rate=0.5)
    weight = model.embedding.weight
    optimizer = make_optimizer(
        model.parameters(),
        protocol.learning_rate,
        Regularisers(),
        table=Table(weight, torch.ones(weight.shape[0]), is_row_wise=True),
        steps_per_epoch=NUM_STEPS,
    )
    batch = split.batch(torch.arange(min(protocol.batch_size, NUM_ROWS)))
    step_seconds = _seconds(lambda: model.method.update(model, batch, optimizer), NUM_STEPS)
    model.eval()
    row_seconds = _seconds(lambda: predict(model, rows, range(NUM_ROWS)), 2) / NUM_ROWS
    evaluations = protocol.evaluation_steps(math.ceil(preset.max_train_rows / protocol.batch_size))
    dev_rows = preset.max_train_rows / 4  # of a 4:1:1 split
    return evaluations[-1] * step_seconds + (len(evaluations) + 2) * dev_rows * row_seconds


def _seconds(act: Callable[[], object], times: int) -> float:
    act()
    start = time.perf_counter()
    for _ in range(times):
        act()
    return (time.perf_counter() - start) / times


def _schema(protocol: Protocol) -> EncodedSchema:
    num_fields = protocol.max_fields or NUM_FIELDS
    return EncodedSchema(
        fields=tuple(f"field{index}" for index in range(num_fields)),
        field_sizes=(FIELD_SIZE,) * num_fields,
        num_domain_fields=NUM_DOMAIN_FIELDS,
        bags=(),
        bag_sizes=(),
        bag_lengths=(),
        num_domains=FIELD_SIZE,
        num_tasks=FIELD_SIZE,
    )


def _random_rows(schema: EncodedSchema) -> np.ndarray:
    rows = np.random.default_rng(0).integers(
        0, FIELD_SIZE, (NUM_ROWS, len(column_names(schema))), np.int32
    )
    rows[:, -1] %= 2  # the label
    return rows


def _config(protocol: Protocol, backbone: str, method: str) -> RunConfig:
    return RunConfig(
        dataset="random",
        data_fingerprint="",
        split="shuffle",
        features=(),
        partition=(),
        task="",
        protocol=protocol,
        backbone=backbone,
        method=method,
        seed=0,
        embedding_optimizer="sparse",
        backbone_config=asdict(load_backbone(backbone).config()),
        method_config=asdict(load_method(method).config()),
        regularisers=Regularisers(),
    )
