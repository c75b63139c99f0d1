"""Reads stored logits, and refuses those that have no metric, by the file that holds them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from benchmark.metrics import LogitError, check_finite
from benchmark.store.sealed import RecordError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import ArrayLike


def read_logits(path: Path) -> pd.DataFrame:
    """A stored table with a column of finite logits.

    Raises:
        RecordError: some are nan or infinite.
    """
    frame = pd.read_parquet(path)
    refuse_broken(path, frame["logit"].to_numpy())
    return frame


def refuse_broken(path: Path, logit: ArrayLike) -> None:
    """Let finite logits pass.

    Raises:
        RecordError: some are nan or infinite.
    """
    try:
        check_finite(logit)
    except LogitError as error:
        raise RecordError(f"{path}: {error}; delete the run's folder and run again") from None
