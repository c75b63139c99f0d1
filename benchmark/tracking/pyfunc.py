"""The winner as MLflow loads it: encoded rows in, logits out. MLflow runs this file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext  # read by MLflow at run time

from benchmark.config import RunConfig
from benchmark.tracking.schema import read_schema
from benchmark.training.build import assemble, seen_schema
from benchmark.training.predict import predict
from benchmark.training.weights import predictor_of
from datasets.loader import EncodedRows, column_names


class Winner(PythonModel):
    """A trained model; the columns of its input are those of the encoded rows."""

    def load_context(self, context: PythonModelContext) -> None:
        """Build the model of the configuration and give it its weights."""
        paths = {name: Path(path) for name, path in context.artifacts.items()}
        config = RunConfig.from_json(json.loads(paths["config"].read_text(encoding="utf-8")))
        self.schema = seen_schema(config, read_schema(paths["schema"]))
        with np.load(paths["weights"]) as weights:
            self.predictor = predictor_of(assemble(config, self.schema), dict(weights))

    def predict(
        self,
        context: PythonModelContext,
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """The logit of every row."""
        columns = model_input.reindex(columns=column_names(self.schema), fill_value=0)
        rows = EncodedRows(np.array(columns, dtype=np.int32), self.schema)
        logits = predict(self.predictor, rows, range(len(rows)))
        return pd.DataFrame({"logit": logits})


set_model(Winner())
