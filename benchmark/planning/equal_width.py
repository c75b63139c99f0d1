"""Hidden sizes at which a row of one model reads about as many parameters as a row of another."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from benchmark.training.build import assemble, seen_schema
from models.layers.tables import domain_tables

if TYPE_CHECKING:
    from benchmark.config import RunConfig
    from datasets.spec import EncodedSchema

PRECISION = 1e-6  # of the factor; a hidden size of a million units is told from its neighbours


def parameters_of_a_row(config: RunConfig, schema: EncodedSchema) -> int:
    """Parameters outside the embedding table that one row reads; nothing is allocated.

    Of a table with a row per domain that is one row.
    """
    with torch.device("meta"):
        model = assemble(config, seen_schema(config, schema))
    tables = {id(table.weight): table.weight[0].numel() for table in domain_tables(model)}
    dense = model.dense_parameters().values()
    return sum(tables.get(id(parameter), parameter.numel()) for parameter in dense)


def matched(config: RunConfig, target: int, schema: EncodedSchema) -> RunConfig:
    """The configuration with all hidden sizes times one factor, as close to `target` as can be.

    The count of a row's parameters rises with the factor in steps, so that the closest count is
    the last one up to the target or the first one beyond.
    """
    low, high = 0.0, 1.0
    while parameters_of_a_row(_scaled(config, high), schema) < target:
        low, high = high, 2.0 * high
    while high - low > PRECISION:
        middle = (low + high) / 2.0
        if parameters_of_a_row(_scaled(config, middle), schema) < target:
            low = middle
        else:
            high = middle
    return min(
        (_scaled(config, factor) for factor in (low, high)),
        key=lambda candidate: abs(parameters_of_a_row(candidate, schema) - target),
    )


def _scaled(config: RunConfig, factor: float) -> RunConfig:
    dims = tuple(max(1, round(factor * size)) for size in config.protocol.hidden_dims)
    protocol = replace(
        config.protocol, name=f"{config.protocol.name}, width-matched", hidden_dims=dims
    )
    return replace(config, protocol=protocol)
