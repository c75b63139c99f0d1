"""What the stored test rows of a run say, each file read and resampled once."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from reports.bootstrap import resampled_metrics, time_blocks
from reports.logits import refuse_broken
from reports.placements import placements

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


class ScoredRows(NamedTuple):
    """The test rows of a run in the order of time, (N,) each."""

    label: NDArray[np.int8]
    logit: NDArray[np.float32]
    domain: NDArray[np.int32]


def resampled(record: RunRecord) -> Mapping[str, NDArray[np.float64]]:
    """LogLoss, AUC and GAUC of a run on test in each resample of `bootstrap`."""
    return _resampled(file_of(record))


def placed(record: RunRecord) -> NDArray[np.float64]:
    """The `placements` of a run's test rows."""
    return _placed(file_of(record))


def labels(record: RunRecord) -> NDArray[np.int8]:
    """The labels of the test rows, in the order of time."""
    return scored_rows(file_of(record)).label


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
    rows = scored_rows(file)
    return resampled_metrics(rows.label, rows.logit, rows.domain)


@lru_cache(maxsize=64)  # about the runs of one data set and backbone
def _placed(file: File) -> NDArray[np.float64]:
    rows = scored_rows(file)
    return placements(rows.label, rows.logit)


@lru_cache(maxsize=8)
def scored_rows(file: File) -> ScoredRows:
    """Those of a run.

    Raises:
        RecordError: a logit is nan or infinite.
    """
    rows = (
        pl.scan_parquet(file.path)
        .filter(pl.col("split") == "test")
        .select("label", "logit", "eval_domain_id")
        .collect()
    )
    refuse_broken(file.path, rows["logit"].to_numpy())
    return ScoredRows(*(rows[name].to_numpy() for name in rows.columns))
