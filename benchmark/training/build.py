"""From a configuration to a model: its layers, its initial values, and what it sees of a log."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from benchmark.training.seeding import initialise
from models.ctr_model import ModelConfig, ModelDesign
from models.registry import plugin_files

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmark.config import RunConfig
    from datasets.prepare import PreparedData
    from datasets.spec import EncodedSchema
    from models.ctr_model import CTRModel

INCREMENT = np.uint64(0x9E3779B97F4A7C15)
MIXERS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))  # shift, multiplier


def build(config: RunConfig, schema: EncodedSchema, base_rate: float) -> CTRModel:
    """The initialised model of a configuration; `base_rate` is the click rate of train.

    Raises:
        ValueError: an unknown backbone or method, or a hyper-parameter out of its range.
    """
    model, first = assemble(config, schema), config.protocol.first_selectable_epoch
    if model.method.schedule_epochs > first:
        raise ValueError(
            f"the schedules of {config.method} run for {model.method.schedule_epochs} epochs, but"
            f" checkpoints may be picked from epoch {first} on; shorten them"
        )
    initialise(model, config.seed)
    model.base_logit.fill_(math.log(base_rate / (1.0 - base_rate)))
    return model


def assemble(config: RunConfig, schema: EncodedSchema) -> CTRModel:
    """The model of a configuration, without its initial values."""
    return design_of(config).assemble(schema)


def design_of(config: RunConfig) -> ModelDesign:
    """The part of a configuration that makes its model."""
    protocol = config.protocol
    return ModelDesign(
        backbone=config.backbone,
        backbone_config=config.backbone_config,
        method=config.method,
        method_config=config.method_config,
        values=ModelConfig(
            embedding_dim=protocol.embedding_dim,
            hidden_dims=protocol.hidden_dims,
            activation=protocol.activation,
            dropout=config.regularisers.dropout,
            embedding_std=protocol.embedding_std,
            sparse_gradient=config.embedding_optimizer == "sparse",
        ),
        prior=config.prior,
        plugins=plugin_files(config.backbone, config.method),
    )


def coarser_ids(config: RunConfig, data: PreparedData) -> NDArray | None:
    """The id that methods see of each evaluation domain, where it is no column of the rows."""
    return data.coarser_domains(config.domain_columns) if config.has_coarser_domains else None


def seen_schema(
    config: RunConfig, schema: EncodedSchema, coarser: NDArray | None = None
) -> EncodedSchema:
    """The view of a log that a configuration's methods see: its domains and its tasks.

    `coarser` are the ids of `coarser_ids`, needed where there are some.
    """
    if config.is_blind:
        return schema.view(domain_from="none", task_from="none")
    if coarser is not None:
        counts = (len(config.domain_columns), int(coarser.max()) + 1)
        return schema.view(
            domain_from="coarser", task_from="coarser", coarser=counts, is_placebo=config.is_placebo
        )
    return schema.view(
        domain_from="task_id" if config.has_own_domains else "domain_id",
        task_from="domain_id" if config.has_full_task else "task_id",
        is_placebo=config.is_placebo,
    )


def domain_donors(data: PreparedData) -> NDArray[np.int64]:
    """For each row of a prepared log (N,) the position of the row whose domain is its placebo.

    A split is permuted in itself, by the order of the hashes of its rows. So as many rows of it
    have each domain, and each value of a domain column, as before, and nothing of a row's own
    domain is left. The donor of a row depends on its position alone: it is the same for all models
    and seeds.
    """
    spans = (*data.split.values(), data.candidates)
    return np.concatenate([span.start + np.argsort(row_hashes(span)) for span in spans])


def row_hashes(rows: range) -> NDArray[np.uint64]:
    """A hash of each of these positions: output number i of SplitMix64 from the state 0.

    Paper: Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014,
        doi 10.1145/2660193.2660195; with variant 13 of the mixing function, by Stafford.
    """
    state = np.arange(rows.start + 1, rows.stop + 1, dtype=np.uint64) * INCREMENT  # wraps around
    for shift, multiplier in MIXERS:
        state = (state ^ (state >> np.uint64(shift))) * np.uint64(multiplier)
    return state ^ (state >> np.uint64(31))
