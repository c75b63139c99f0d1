"""Files that are read once for all parts of a report: domains and predictions, not broken ones."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import polars as pl
from numpy.typing import ArrayLike, NDArray

from benchmark.metrics import SCORES, LogitError, check_finite, placements
from benchmark.store.files import RecordError
from benchmark.store.records import RunRecord
from reports.statistics.clusters import Clusters, clusters_of, jackknife


def read_logits(path: Path) -> pd.DataFrame:
    """A stored table with a column of finite logits.

    Raises:
        RecordError: some are nan or infinite.
    """
    frame = pd.read_parquet(path)
    _refuse_broken(path, frame["logit"].to_numpy())
    return frame


def _refuse_broken(path: Path, logit: ArrayLike) -> None:
    try:
        check_finite(logit)
    except LogitError as error:
        raise RecordError(f"{path}: {error}; delete the run's folder and run again") from None


class File(NamedTuple):
    """A file as it was when it was read."""

    path: Path
    changed: int
    size: int


class ScoredRows(NamedTuple):
    """The test rows of a run as stored, (N,) each; `user` only where the log names users."""

    label: NDArray[np.int8]
    logit: NDArray[np.float32]
    domain: NDArray[np.int32]
    block: NDArray[np.integer]
    user: NDArray[np.int32] | None = None

    @property
    def groupings(self) -> tuple[NDArray[np.integer], ...]:
        """The ways in which rows belong together."""
        return (self.block,) if self.user is None else (self.block, self.user)


def influence_sums(record: RunRecord) -> Mapping[str, NDArray[np.float64]]:
    """The part (C,) of every score on test that the rows of each cell of `clusters` add."""
    return _influence_sums(file_of(record))


def clusters(record: RunRecord) -> Clusters:
    """The clusters of the test rows, the same for all runs on a log."""
    return clusters_of(*scored_rows(file_of(record)).groupings)


def placed(record: RunRecord) -> NDArray[np.float64]:
    """The `placements` of a run's test rows."""
    return _placed(file_of(record))


def labels(record: RunRecord) -> NDArray[np.int8]:
    """The labels of the test rows, as stored."""
    return scored_rows(file_of(record)).label


def file_of(record: RunRecord) -> File:
    """The predictions of a run as they are now, a key for what was computed from them."""
    return _file_at(record.path / "predictions.parquet")


def domain_table(path: Path) -> pd.DataFrame:
    """A table of domains, which many parts of a report read; read once."""
    return _domain_table(_file_at(path)).copy(deep=False)


def _file_at(path: Path) -> File:
    facts = path.stat()
    return File(path, facts.st_mtime_ns, facts.st_size)


@lru_cache(maxsize=64)  # about the runs of one data set
def _domain_table(file: File) -> pd.DataFrame:
    return pd.read_parquet(file.path)


@lru_cache(maxsize=64)  # about the runs of one data set; with users up to 24 bytes a test row
def _influence_sums(file: File) -> Mapping[str, NDArray[np.float64]]:
    rows = scored_rows(file)
    if rows.label.size == 0:
        return dict.fromkeys(SCORES, np.empty(0))
    found, columns = clusters_of(*rows.groupings), (rows.label, rows.logit, rows.domain)
    return {
        name: found.sums(metric.influences(*columns))
        if metric.influences
        else jackknife(metric.of_rows, found, *columns)
        for name, metric in SCORES.items()
    }


@lru_cache(maxsize=64)  # about the runs of one data set and backbone
def _placed(file: File) -> NDArray[np.float64]:
    rows = scored_rows(file)
    return placements(rows.label, rows.logit)


@lru_cache(maxsize=8)
def scored_rows(file: File) -> ScoredRows:
    """The test rows of a run.

    Raises:
        RecordError: a logit is nan or infinite.
    """
    rows = pl.read_parquet(file.path, glob=False).filter(pl.col("split") == "test")
    _refuse_broken(file.path, rows["logit"].to_numpy())
    return ScoredRows(
        label=rows["label"].to_numpy(),
        logit=rows["logit"].to_numpy(),
        domain=rows["eval_domain_id"].to_numpy(),
        block=rows["block"].to_numpy(),
        user=rows["cluster"].to_numpy() if "cluster" in rows.columns else None,
    )
