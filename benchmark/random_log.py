"""A random log in memory, and models and optimisers on it: what timing needs, whatever the data."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import torch

from benchmark.config import Regularisers, RunConfig
from benchmark.optimizers import Table, make_optimizer
from benchmark.runner import build
from datasets.loader import EncodedRows, column_names
from datasets.spec import EncodedSchema
from models.domain_table import domain_tables
from models.registry import load_backbone, load_method

if TYPE_CHECKING:
    from benchmark.optimizers import ProtocolAdam
    from benchmark.protocol import Protocol
    from models.ctr_model import CTRModel

NUM_DOMAIN_FIELDS = 3
NUM_DOMAINS = 500


def random_schema(sizes: tuple[int, ...]) -> EncodedSchema:
    """A schema whose fields have these sizes; the first three are those of the domain."""
    return EncodedSchema(
        fields=tuple(f"field{index}" for index in range(len(sizes))),
        field_sizes=sizes,
        num_domain_fields=NUM_DOMAIN_FIELDS,
        bags=(),
        bag_sizes=(),
        bag_lengths=(),
        num_domains=NUM_DOMAINS,
        num_tasks=NUM_DOMAINS,
    )


def random_rows(schema: EncodedSchema, num_rows: int) -> EncodedRows:
    """Rows whose codes are uniform over their field: no id is more popular than another."""
    rng = np.random.default_rng(0)
    rows = np.zeros((num_rows, len(column_names(schema))), np.int32)
    for column, size in enumerate(schema.field_sizes):
        rows[:, column] = rng.integers(0, size, num_rows)
    rows[:, -1] = rng.integers(0, 2, num_rows)  # the label
    return EncodedRows(rows, schema)


def model_on(
    schema: EncodedSchema, protocol: Protocol, backbone: str, method: str
) -> tuple[CTRModel, ProtocolAdam]:
    """A model with default hyper-parameters under a protocol, and its optimiser."""
    config = RunConfig(
        dataset="random",
        data_fingerprint="",
        split="shuffle",
        features=schema.fields,
        partition=schema.fields[:NUM_DOMAIN_FIELDS],
        task=schema.fields[0],
        protocol=protocol,
        backbone=backbone,
        method=method,
        seed=0,
        embedding_optimizer="sparse",
        backbone_config=asdict(load_backbone(backbone).config()),
        method_config=asdict(load_method(method).config()),
        regularisers=Regularisers(),
    )
    model = build(config, schema, base_rate=0.5).train()
    weight = model.embedding.weight
    optimizer = make_optimizer(
        model.parameters(),
        protocol.learning_rate,
        config.regularisers,
        table=Table(weight, torch.ones(weight.shape[0]), is_row_wise=True),
        domain_tables=domain_tables(model),
        steps_per_epoch=1,
    )
    return model, optimizer
