"""Files that are read once for all parts of a report: domains and predictions, not broken ones."""

from __future__ import annotations

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
from reports.statistics.kept import kept


def read_logits(path: Path, *others: str) -> pd.DataFrame:
    """The finite logits of a stored table, and other columns of it.

    Raises:
        RecordError: some are nan or infinite.
    """
    frame = pd.read_parquet(path, columns=[*others, "logit"])
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


def influence_sums(record: RunRecord, score: str) -> NDArray[np.float64]:
    """The part (C,) of a score on test that the rows of each cell of `clusters` add."""
    return _influence_sums(file_of(record), score)


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


@kept
def _influence_sums(file: File, score: str) -> NDArray[np.float64]:
    rows, metric = scored_rows(file), SCORES[score]
    if rows.label.size == 0:
        return np.empty(0)
    found, columns = clusters_of(*rows.groupings), (rows.label, rows.logit, rows.domain)
    if metric.influences:
        return found.sums(metric.influences(*columns))
    return jackknife(metric.of_rows, found, *columns)


@kept
def _placed(file: File) -> NDArray[np.float64]:
    rows = scored_rows(file)
    return placements(rows.label, rows.logit)


@kept
def scored_rows(file: File) -> ScoredRows:
    """The test rows of a run.

    Raises:
        RecordError: a logit is nan or infinite.
    """
    stored = pl.scan_parquet(file.path, glob=False)
    names = ["label", "logit", "eval_domain_id", "block", "cluster"]
    known = [name for name in names if name in stored.collect_schema()]
    rows = stored.filter(pl.col("split") == "test").select(known).collect()
    _refuse_broken(file.path, rows["logit"].to_numpy())
    return ScoredRows(*(column.to_numpy() for column in rows.iter_columns()))
