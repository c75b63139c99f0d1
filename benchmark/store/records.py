"""The store of runs: plain files, written once; what reports and outside checks read."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from benchmark.config import Json, RunConfig
from benchmark.metrics import METRICS
from benchmark.store.files import (
    RecordError,
    named_damage,
    read_json,
    read_sealed,
    write_arrays,
    write_parquet,
    write_sealed,
    write_text,
)
from datasets.files import file_digest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import polars as pl
    from numpy.typing import NDArray

RECORD = "record.json"
ERROR = "error.json"
WEIGHTS = "weights.npz"
LATENCY = "latency.json"  # measured after all trainings of a call, of runs that keep their weights
SCHEMA = "schema.json"  # of a data folder: the columns of the encoded rows
FILES = (  # of a run folder
    *(RECORD, ERROR, "history.csv", "domains.parquet", "predictions.parquet"),
    *("masks.npz", "candidates.parquet", WEIGHTS, LATENCY),
)

SlotState = Literal["missing", "done", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """The outcome of a finished run for the store; equal runs differ in timing and environment.

    `metrics` maps split to metric to value, nan where undefined. `predictions` has the columns
    of `data_folder.known_rows`, then logit; `history` step, epoch, split, loss, auc and the
    method's schedules; `domains` one row per eval domain. `masks` is empty for methods that do not
    prune. `candidates` holds the logits of the candidates of a generated log, in their order.
    `weights` are the parameters and buffers of a model that is to be kept, by name.
    """

    metrics: Mapping[str, Mapping[str, float | int]]
    training: Mapping[str, Json]
    cost: Mapping[str, Json]
    history: pl.DataFrame
    domains: pl.DataFrame
    predictions: pl.DataFrame
    masks: Mapping[str, NDArray[np.generic]]
    timing: Mapping[str, Json]
    environment: Mapping[str, Json]
    candidates: pl.DataFrame | None = None
    weights: Mapping[str, NDArray[np.generic]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """A record read back; a metric is nan where it is undefined, or `newer` than the run."""

    path: Path  # the run folder
    config: RunConfig
    metrics: dict[str, dict[str, float]]
    training: dict[str, Json]
    cost: dict[str, Json]
    timing: dict[str, Json]
    environment: dict[str, Json]
    latency: dict[str, Json]  # empty where none was measured
    newer: frozenset[str]  # the metrics that the program has gained since


class RunStore:
    """Reads and writes everything below one output folder."""

    def __init__(self, out: Path) -> None:
        self.out = out

    def run_folder(self, config: RunConfig) -> Path:
        """`<out>/runs/<dataset>/<partition>/<backbone>+<method>/<run_id>`."""
        return self.out.joinpath("runs", *config.folder, config.run_id)

    def data_folder(self, fingerprint: str) -> Path:
        """`<out>/data/<fingerprint>`."""
        return self.out / "data" / fingerprint

    def write(self, config: RunConfig, result: RunResult) -> None:
        """Write all files of a run, the record last: its presence is the mark of a finished run.

        Raises:
            OSError: the disk is full or the folder not writable.
        """
        folder = self.run_folder(config)
        for name in (RECORD, LATENCY):
            (folder / name).unlink(missing_ok=True)
        write_text(folder / "history.csv", result.history.write_csv())
        write_parquet(folder / "domains.parquet", result.domains)
        write_parquet(folder / "predictions.parquet", result.predictions)
        names = ["history.csv", "domains.parquet", "predictions.parquet"]
        if result.masks:
            write_arrays(folder / "masks.npz", result.masks)
            names.append("masks.npz")
        if result.candidates is not None:
            write_parquet(folder / "candidates.parquet", result.candidates)
            names.append("candidates.parquet")
        if result.weights:
            write_arrays(folder / WEIGHTS, result.weights)
            names.append(WEIGHTS)
        record: dict[str, Json] = {
            "run_id": config.run_id,
            "slot_id": config.slot_id,
            "config": config.to_json(),
            "metrics": {split: _without_nan(values) for split, values in result.metrics.items()},
            "training": dict(result.training),
            "cost": dict(result.cost),
            "digests": {name: file_digest(folder / name) for name in names},
            "timing": dict(result.timing),
            "environment": dict(result.environment),
        }
        write_sealed(folder / RECORD, record)
        (folder / ERROR).unlink(missing_ok=True)

    def read(self, folder: Path) -> RunRecord:
        """Read one run folder.

        Raises:
            RecordError: the record is absent, of another schema version, or does not match its
            files.
        """
        content = read_sealed(folder / RECORD)
        with named_damage(folder / RECORD):
            for name, digest in content["digests"].items():
                path = folder / name
                if not path.is_file() or file_digest(path) != digest:
                    raise RecordError(
                        f"{path}: missing or changed since the run; run again to renew it"
                    )
            metrics = content["metrics"].items()
            known = {name for _, values in metrics for name in values}
            return RunRecord(
                path=folder,
                config=RunConfig.from_json(content["config"]),
                metrics={split: _with_nan(values) for split, values in metrics},
                **{key: content[key] for key in ("training", "cost", "timing", "environment")},
                latency=_latency_of(folder, content["digests"].get(WEIGHTS)),
                newer=frozenset(METRICS) - known,
            )

    def write_latency(
        self, config: RunConfig, latency: Mapping[str, Json], environment: Mapping[str, Json]
    ) -> None:
        """Write the latency of the model of a finished run.

        Raises:
            RecordError: the run has no record.
            OSError: the disk is full or the folder not writable.
        """
        folder = self.run_folder(config)
        content: dict[str, Json] = {
            "run_id": config.run_id,
            "weights": read_sealed(folder / RECORD)["digests"].get(WEIGHTS),
            "timing": dict(latency),
            "environment": dict(environment),
        }
        write_sealed(folder / LATENCY, content)

    def read_run(self, config: RunConfig) -> RunRecord:
        """Read the record of a run.

        Raises:
            RecordError: as `read`, or the record in its folder is that of another run.
        """
        record = self.read(self.run_folder(config))
        if record.config.run_id != config.run_id:
            raise RecordError(
                f"{record.path / RECORD}: the record is of the run {record.config.run_id} ("
                f"{record.config.title}), not of this folder's; run again to renew it"
            )
        return record

    def metrics(self, config: RunConfig) -> dict[str, dict[str, float]]:
        """The metrics of a run by split, its other files unread.

        Raises:
            RecordError: the record is absent, of another schema version, or was changed.
        """
        content = read_sealed(self.run_folder(config) / RECORD)
        return {split: _with_nan(values) for split, values in content["metrics"].items()}

    def state(self, config: RunConfig) -> SlotState:
        """The state of a run: done (a record exists and its digests match), failed, missing."""
        marked = self.marked_state(config)
        if marked == "done":
            try:
                self.read_run(config)
            except RecordError:
                return "missing"
        return marked

    def marked_state(self, config: RunConfig) -> SlotState:
        """The state of a run by its marks alone, without reading the files."""
        folder = self.run_folder(config)
        if (folder / RECORD).is_file():
            return "done"
        return "failed" if (folder / ERROR).is_file() else "missing"

    def write_error(self, config: RunConfig, error: str, detail: str) -> None:
        """Mark a run as failed: `error` is one line, `detail` the traceback."""
        content = {
            "run_id": config.run_id,
            "config": config.to_json(),
            "error": error,
            "detail": detail,
        }
        (self.run_folder(config) / RECORD).unlink(missing_ok=True)
        write_text(self.run_folder(config) / ERROR, json.dumps(content, indent=1) + "\n")

    def read_error(self, config: RunConfig) -> str:
        """The one line of a failed run."""
        path = self.run_folder(config) / ERROR
        content = read_json(path)
        with named_damage(path):
            return str(content["error"])

    def write_data(self, fingerprint: str, card: Mapping[str, Json], domains: pl.DataFrame) -> None:
        """Write the data card, and the volume and click rate of every domain."""
        folder = self.data_folder(fingerprint)
        write_parquet(folder / "domains.parquet", domains)
        write_text(folder / "card.json", json.dumps(card, indent=1, allow_nan=False) + "\n")

    def read_card(self, fingerprint: str) -> dict[str, Json]:
        """The data card that `write_data` left."""
        return read_json(self.data_folder(fingerprint) / "card.json")


def _latency_of(folder: Path, weights: str | None) -> dict[str, Json]:
    """The latency of these weights; none where it is missing, damaged, or that of others."""
    try:
        content = read_sealed(folder / LATENCY)
    except RecordError:
        return {}
    return dict(content["timing"]) if content["weights"] == weights else {}


def _without_nan(values: Mapping[str, float | int]) -> dict[str, Json]:
    """JSON has no nan: undefined is null."""
    return {key: None if math.isnan(value) else value for key, value in values.items()}


def _with_nan(values: Mapping[str, float | int | None]) -> dict[str, float]:
    known = {key: math.nan if value is None else float(value) for key, value in values.items()}
    return dict.fromkeys(METRICS, math.nan) | known
