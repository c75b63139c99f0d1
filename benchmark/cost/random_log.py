"""Random logs in memory, one like an ad log, and models on them: what timing needs."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from benchmark.config import Regularisers, RunConfig
from benchmark.protocol import PAPER_PUBLIC
from benchmark.tasks import Compute
from benchmark.training.build import build
from benchmark.training.compiled.step import compiled_step
from benchmark.training.optimizers import make_optimizer
from benchmark.training.trainer import Steps, all_batches
from datasets.loader import EncodedRows, column_names
from datasets.spec import EncodedSchema
from models.registry import load_backbone, load_method

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from benchmark.config import Json
    from benchmark.protocol import Protocol
    from benchmark.training.optimizers import ProtocolAdam
    from benchmark.training.trainer import TrainSplit
    from models.ctr_model import CTRModel

NUM_DOMAIN_FIELDS = 3
# Domains have the shares of Zipf's law. With this exponent 256 rows hold 81 of 218 domains; in the
# IAAC sample (gender x age x star level) they hold 80 of 218. KuaiRand-Pure (tab x activity x days
# since registration) is more skewed: 47 of 379, where the law has 93.
DOMAIN_SKEW = 1.1
# 22 fields as in an ad log: three of the domain, four middling ids, thirteen small fields, and two
# large ids (users and items) that share what is left of the vocabulary. A batch of 256 rows then
# holds about 1,750 distinct ids of 5,632; in KuaiRand-Pure it is 1,456 of 9,216, in the IAAC sample
# 1,046 of 5,120.
AD_LOG = (4, 9, 12, 12_000, 4_000, 2_000, 1_000, *(20,) * 13)
# The worst case: hardly an id occurs twice in a batch of 256 rows. With as many domains as this,
# that their codes repeat as well is rare (about 4,700 distinct ids of 5,632).
RARE_IDS = (850,) * 20
RARE_DOMAINS = 100_000
NUM_IDS = 567_000
NUM_ROWS = 200_000


def random_schema(sizes: tuple[int, ...], num_domains: int = 500) -> EncodedSchema:
    """A schema whose fields have these sizes; the first three are those of the domain.

    Each of the `num_domains` that train has seen is a task too.
    """
    return EncodedSchema(
        fields=tuple(f"field{index}" for index in range(len(sizes))),
        field_sizes=sizes,
        num_domain_fields=NUM_DOMAIN_FIELDS,
        bags=(),
        bag_sizes=(),
        bag_lengths=(),
        num_domains=1 + num_domains,
        num_tasks=1 + num_domains,
    )


def random_rows(schema: EncodedSchema, num_rows: int) -> EncodedRows:
    """Rows of seen domains, whose shares are skewed; rows of a domain share its fields' codes.

    The codes of the other fields are uniform: no id is more popular than another.
    """
    rng = np.random.default_rng(0)
    rows = np.zeros((num_rows, len(column_names(schema))), np.int32)
    for column, size in enumerate(schema.field_sizes):
        rows[:, column] = rng.integers(0, size, num_rows)
    shares = np.arange(1, schema.num_domains, dtype=np.float64) ** -DOMAIN_SKEW
    domain = rng.choice(len(shares), num_rows, p=shares / shares.sum())
    for column, size in enumerate(schema.field_sizes[: schema.num_domain_fields]):
        rows[:, column] = rng.integers(0, size, len(shares))[domain]
    rows[:, -4:-1] = 1 + domain[:, None]  # domain, task and evaluation domain
    rows[:, -1] = rng.integers(0, 2, num_rows)  # the label
    return EncodedRows(rows, schema)


def config_on(
    schema: EncodedSchema,
    protocol: Protocol,
    backbone: str,
    method: str,
    options: Mapping[str, Json] | None = None,
) -> RunConfig:
    """A cell under a protocol, with default hyper-parameters but for the method's `options`."""
    entry, others = load_method(method), schema.fields[NUM_DOMAIN_FIELDS:]
    return RunConfig(
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
        method_config=asdict(entry.config(**options or {})),
        regularisers=Regularisers(),
        prior=schema.usual_prior(others) if entry.reads_prior else (),
    )


def optimizer_on(model: CTRModel, config: RunConfig) -> ProtocolAdam:
    """The optimiser of a cell's model."""
    return make_optimizer(
        model,
        config.protocol.learning_rate,
        config.regularisers,
        frequency=torch.ones(len(model.embedding.weight)),
        steps_per_epoch=1,
    )


def model_on(
    schema: EncodedSchema, protocol: Protocol, backbone: str, method: str
) -> tuple[CTRModel, ProtocolAdam]:
    """A model with default hyper-parameters under a protocol, and its optimiser."""
    config = config_on(schema, protocol, backbone, method)
    model = build(config, schema, base_rate=0.5).train()
    return model, optimizer_on(model, config)


def ad_log_schema(
    num_domains: int, sizes: tuple[int, ...] = AD_LOG, num_ids: int = NUM_IDS
) -> EncodedSchema:
    """Fields of these sizes and two large ones, which share the rest of `num_ids`."""
    large = num_ids - sum(sizes)
    return random_schema((*sizes, large * 3 // 4, large - large * 3 // 4), num_domains)


def protocol_of(batch_size: int) -> Protocol:
    """The paper's public sizes."""
    return replace(PAPER_PUBLIC, batch_size=batch_size)


def training_step(
    model: CTRModel, optimizer: ProtocolAdam, split: TrainSplit, graphs: Path | None = None
) -> Callable[[], None]:
    """One step as the trainer makes it: gather, forward, backward, optimiser, schedules.

    It is compiled where there is a folder of `graphs`.
    """
    compute = Compute(compiles="always", graphs=graphs)
    steps = Steps(model, optimizer, compiled_step(model, optimizer, split, 1, compute))
    batches = all_batches(model, split, torch.Generator().manual_seed(0))

    def step() -> None:
        steps.make(next(batches), is_recorded=False)
        model.method.after_step(0.5)

    return step
