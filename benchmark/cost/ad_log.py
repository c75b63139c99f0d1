"""The model and the log that training steps and costs are measured on."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

from benchmark.cost.random_log import random_schema
from benchmark.protocol import COMPACT

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from benchmark.protocol import Protocol
    from benchmark.training.optimizers import ProtocolAdam
    from benchmark.training.trainer import TrainSplit
    from datasets.spec import EncodedSchema
    from models.ctr_model import CTRModel

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
HIDDEN_DIMS = (128, 64, 32)
EMBEDDING_DIM = 16


def ad_log_schema(
    num_domains: int, sizes: tuple[int, ...] = AD_LOG, num_ids: int = NUM_IDS
) -> EncodedSchema:
    """Fields of these sizes and two large ones, which share the rest of `num_ids`."""
    large = num_ids - sum(sizes)
    return random_schema((*sizes, large * 3 // 4, large - large * 3 // 4), num_domains)


def protocol_of(batch_size: int) -> Protocol:
    """The paper's public sizes."""
    return replace(
        COMPACT, embedding_dim=EMBEDDING_DIM, hidden_dims=HIDDEN_DIMS, batch_size=batch_size
    )


def training_step(
    model: CTRModel, optimizer: ProtocolAdam, split: TrainSplit, order: torch.Generator
) -> Callable[[], None]:
    """One step as the trainer makes it: gather, forward, backward, optimiser, schedules."""
    batches = itertools.chain.from_iterable(
        model.method.batches(split, order) for _ in itertools.count()
    )

    def step() -> None:
        model.method.update(model, split.batch(next(batches)), optimizer)
        model.method.after_step(0.5)

    return step
