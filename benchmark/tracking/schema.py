"""The columns that a kept model reads, as the store and MLflow's signature name them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark.store.sealed import named_damage, read_json
from datasets.loader import column_names
from datasets.spec import EncodedSchema

if TYPE_CHECKING:
    from pathlib import Path

NOT_READ = ("eval_domain_id", "label")  # by a model: metrics need them


def read_schema(path: Path) -> EncodedSchema:
    """The shape of the encoded rows that `RunStore.write_schema` wrote.

    Raises:
        RecordError: it is absent or damaged.
    """
    content = read_json(path)
    with named_damage(path):
        lists = {name: tuple(value) for name, value in content.items() if isinstance(value, list)}
        return EncodedSchema(**{**content, **lists})


def input_columns(schema: EncodedSchema) -> list[str]:
    """The columns of the encoded rows that a model reads, in order."""
    return [name for name in column_names(schema) if name not in NOT_READ]
