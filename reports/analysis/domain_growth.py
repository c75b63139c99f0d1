"""Counts by `run_all.py` of how cost grows with the number of domains."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from benchmark.store.files import RecordError

if TYPE_CHECKING:
    from pathlib import Path

    from reports.reading.load import Runs

KEYS = ["backbone", "method", "num_domains"]
COUNTS = ("parameters", "multiply_adds")


def counted(runs: Runs) -> pd.DataFrame:
    """The counts of `run_all.py` for both of the paper's sizes; no row where nothing was counted.

    Raises:
        RecordError: the file cannot be read or lacks a column.
    """
    path = runs.store.out / "cost" / "scaling.csv"
    return read_cost(path, ["sizes", *KEYS, *COUNTS, "served_bytes", "claim"])


def read_cost(path: Path, columns: list[str]) -> pd.DataFrame:
    """These columns of a file, none of its rows if there is no file."""
    if not path.is_file():
        return pd.DataFrame(columns=columns)
    try:
        return pd.read_csv(path, usecols=columns)
    except (OSError, ValueError) as error:  # a column that is missing is a ValueError too
        raise RecordError(
            f"{path}: damaged or of another version ({error}); delete it and run again"
        ) from None
