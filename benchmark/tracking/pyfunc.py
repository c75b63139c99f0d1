"""A saved model as MLflow calls it: raw rows in, click probabilities out."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from benchmark.training.frames import polars_rows
from models.saved import SCORE, SavedModel


class RowScorer:
    """A trained model; the columns of its input are those of its log."""

    def __init__(self, model: SavedModel) -> None:
        self.model = model

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The click probability of every row."""
        rows = polars_rows(frame, self.model.encoders.columns)
        return pd.DataFrame({SCORE: self.model.predict_proba(rows)}, index=frame.index)


def _load_pyfunc(path: str) -> RowScorer:
    """Load the model that a folder holds; MLflow calls it by this name."""
    return RowScorer(SavedModel.read(Path(path)))
