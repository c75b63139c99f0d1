"""Hidden sizes at which one model has about as many dense parameters as another."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from benchmark.training.build import assemble, seen_schema

if TYPE_CHECKING:
    from benchmark.config import RunConfig
    from datasets.spec import EncodedSchema

PRECISION = 1e-6  # of the factor; a hidden size of a million units is told from its neighbours


def dense_parameters(config: RunConfig, schema: EncodedSchema) -> int:
    """Parameters outside the embedding table; nothing is allocated."""
    with torch.device("meta"):
        model = assemble(config, seen_schema(config, schema))
    return sum(parameter.numel() for parameter in model.dense_parameters().values())


def matched(config: RunConfig, target: int, schema: EncodedSchema) -> RunConfig:
    """The configuration with all hidden sizes times one factor, as close to `target` as can be.

    The count of dense parameters rises with the factor in steps, so that the closest count is the
    last one up to the target or the first one beyond.
    """
    low, high = 0.0, 1.0
    while dense_parameters(_scaled(config, high), schema) < target:
        low, high = high, 2.0 * high
    while high - low > PRECISION:
        middle = (low + high) / 2.0
        if dense_parameters(_scaled(config, middle), schema) < target:
            low = middle
        else:
            high = middle
    return min(
        (_scaled(config, factor) for factor in (low, high)),
        key=lambda candidate: abs(dense_parameters(candidate, schema) - target),
    )


def _scaled(config: RunConfig, factor: float) -> RunConfig:
    dims = tuple(max(1, round(factor * size)) for size in config.protocol.hidden_dims)
    protocol = replace(
        config.protocol, name=f"{config.protocol.name}, width-matched", hidden_dims=dims
    )
    return replace(config, protocol=protocol)
