"""A kept model as MLflow loads it: encoded rows in, logits out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmark.config import RunConfig
from benchmark.store.files import named_damage, read_json
from benchmark.store.records import SCHEMA, WEIGHTS
from benchmark.training.build import assemble, seen_schema
from datasets.loader import NOT_READ, EncodedRows, column_names
from datasets.spec import EncodedSchema
from models.predictors import predict, predictor_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

CONFIG = "config.json"  # in the folder of a kept model, beside weights and schema


class KeptModel:
    """A trained model; the columns of its input are those of the encoded rows."""

    def __init__(
        self, config: RunConfig, schema: EncodedSchema, weights: Mapping[str, NDArray[np.generic]]
    ) -> None:
        self.schema = seen_schema(config, schema)
        self.predictor = predictor_of(assemble(config, self.schema), weights)

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The logit of every row."""
        columns = frame.reindex(columns=column_names(self.schema), fill_value=0)
        rows = EncodedRows(np.array(columns, dtype=np.int32), self.schema)
        return pd.DataFrame({"logit": predict(self.predictor, rows, range(len(rows)))})


def _load_pyfunc(path: str) -> KeptModel:
    """Load the model that a folder holds; MLflow calls it by this name."""
    folder = Path(path)
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    with np.load(folder / WEIGHTS) as weights:
        return KeptModel(RunConfig.from_json(config), read_schema(folder / SCHEMA), dict(weights))


def read_schema(path: Path) -> EncodedSchema:
    """The shape of the encoded rows that `store_data` wrote.

    Raises:
        RecordError: it is absent or damaged.
    """
    content = read_json(path)
    with named_damage(path):
        lists = {name: tuple(value) for name, value in content.items() if isinstance(value, list)}
        return EncodedSchema(**{**content, **lists})


def input_columns(schema: EncodedSchema) -> list[str]:
    """The columns of the encoded rows that a model reads, in order."""
    return [*column_names(schema)[: -len(NOT_READ)]]
