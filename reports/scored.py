"""What the stored test rows of a run say, each file read and resampled once."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from reports.bootstrap import resampled_metrics, time_blocks
from reports.delong import placements

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmark.records import RunRecord


class File(NamedTuple):
    """Predictions as they were when they were read."""

    path: Path
    changed: int
    size: int


def resampled(record: RunRecord) -> Mapping[str, NDArray[np.float64]]:
    """LogLoss, AUC and GAUC of a run on test in each resample of `bootstrap`."""
    return _resampled(file_of(record))


def placed(record: RunRecord) -> NDArray[np.float64]:
    """The `delong.placements` of a run's test rows."""
    return _placed(file_of(record))


def labels(record: RunRecord) -> NDArray[np.int8]:
    """The labels of the test rows, in the order of time."""
    return _rows(file_of(record))["label"].to_numpy(np.int8)


def num_blocks(record: RunRecord) -> int:
    """How many blocks of time the test rows are cut into."""
    return int(time_blocks(labels(record).size).max(initial=-1)) + 1


def file_of(record: RunRecord) -> File:
    """The predictions of a run as they are now, a key for what was computed from them."""
    path = record.path / "predictions.parquet"
    facts = path.stat()
    return File(path, facts.st_mtime_ns, facts.st_size)


@lru_cache(maxsize=4096)  # some ten kilobytes each
def _resampled(file: File) -> Mapping[str, NDArray[np.float64]]:
    rows = _rows(file)
    return resampled_metrics(
        rows["label"].to_numpy(), rows["logit"].to_numpy(), rows["eval_domain_id"].to_numpy()
    )


@lru_cache(maxsize=64)  # about the runs of one data set and backbone
def _placed(file: File) -> NDArray[np.float64]:
    rows = _rows(file)
    return placements(rows["label"].to_numpy(), rows["logit"].to_numpy())


@lru_cache(maxsize=8)
def _rows(file: File) -> pd.DataFrame:
    columns = ["label", "eval_domain_id", "logit"]
    return pd.read_parquet(file.path, columns=columns, filters=[("split", "==", "test")])
