"""Raw rows as pandas holds them, for models, which take those of Polars."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd


def polars_rows(frame: pd.DataFrame, columns: Iterable[str]) -> pl.DataFrame:
    """Those of the columns that a frame has; values of several types in one column become text."""
    return pl.DataFrame({name: _series(frame[name]) for name in columns if name in frame})


def _series(values: pd.Series) -> pl.Series:
    try:
        return pl.from_pandas(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pl.from_pandas(values.map(str, na_action="ignore"))
