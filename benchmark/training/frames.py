"""Raw rows of pandas or Polars as models take them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import polars as pl
import pyarrow as pa

from datasets.spec import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable


def polars_rows(frame: object, columns: Iterable[str]) -> pl.DataFrame:
    """A frame of Polars as it is; of pandas the columns that it has, mixed ones as text.

    Raises:
        DataError: it is no frame.
    """
    if isinstance(frame, pl.DataFrame):
        return frame
    if not isinstance(frame, pd.DataFrame):
        kind = type(frame).__name__
        raise DataError(f"rows must be a pandas or polars DataFrame, got a {kind}")
    return pl.DataFrame({name: _series(frame[name]) for name in columns if name in frame})


def _series(values: pd.Series) -> pl.Series:
    try:
        return pl.from_pandas(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pl.from_pandas(values.map(str, na_action="ignore"))
