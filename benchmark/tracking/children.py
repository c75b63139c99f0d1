"""The trials and final runs of the store as MLflow is to show them; knows no MLflow."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from benchmark.config import digest_of
from benchmark.store.records import ERROR, RECORD, WEIGHTS
from benchmark.store.sealed import SEAL, RecordError, named_damage, read_json, read_sealed
from benchmark.store.trials import trial_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from benchmark.config import Json, RunConfig
    from benchmark.store.plan import Search
    from benchmark.store.records import RunStore
    from benchmark.store.trials import Trial

KEY_LENGTH = 12
INDEX_COLUMNS = ("step", "epoch", "split")  # of a history
SCORES = ("loss", "auc")  # likewise, of the row's split

HistoryPoint = tuple[str, float, int]  # metric, value, optimiser step


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A trial or a final run that has ended; `seal` changes with what it found.

    `path` is the run folder or the file of the trial. Times are in seconds since 1970.
    """

    key: str
    seal: str
    name: str
    config: RunConfig
    path: Path
    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    started: float
    ended: float
    is_failed: bool

    @property
    def is_final(self) -> bool:
        """Whether it is a final run rather than a trial."""
        return self.tags["stage"] == "final"

    def files(self) -> list[Path]:
        """What is kept with it; weights are not, only the winner's are wanted and it is a model."""
        if not self.path.is_dir():
            return [self.path]
        found = (path for path in sorted(self.path.iterdir()) if path.is_file())
        return [path for path in found if path.name != WEIGHTS and not path.name.startswith(".")]

    def history(self) -> Iterator[HistoryPoint]:
        """The points of its learning curves and schedules; trials keep none."""
        path = self.path / "history.csv"
        return _points(pl.read_csv(path, infer_schema_length=None)) if path.is_file() else iter(())


def base_tags(config: RunConfig) -> dict[str, str]:
    """What is the same for a cell and all its children."""
    return {
        "dataset": config.dataset,
        "partition": "+".join(config.partition),
        "backbone": config.backbone,
        "method": config.method,
        "protocol_hash": digest_of(asdict(config.protocol))[:KEY_LENGTH],
        **({"data_fingerprint": config.data_fingerprint} if config.draw is None else {}),
    }


def final_child(store: RunStore, slot: str, config: RunConfig) -> Child | None:
    """The final run of a slot if it has ended; None also where its record cannot be trusted."""
    folder, state = store.run_folder(config), store.marked_state(config)
    try:
        if state == "done":
            return _done(folder, slot, config)
        return _failed(folder, slot, config) if state == "failed" else None
    except RecordError:
        return None


def trial_child(folder: Path, search: Search, trial: Trial) -> Child:
    """A trial that has ended, complete or failed; `folder` is that of the search."""
    path, config = trial_path(folder, trial.index), trial.config
    ended = path.stat().st_mtime
    metrics = {name: float(getattr(trial, name)) for name in ("epochs", "row_passes", "seconds")}
    if trial.value is not None:
        metrics[f"dev/{config.protocol.selection_metric}"] = trial.value
    tags = _tags(config, "tune", trial.environment) | {"search": search.folder}
    return Child(
        key=f"tune/{search.folder}/{trial.index:03}",
        seal=read_json(path)[SEAL],
        name=f"trial-{trial.index:03}",
        config=config,
        path=path,
        tags=tags | ({"error": trial.error} if trial.error else {}),
        metrics=metrics,
        started=ended - trial.seconds,
        ended=ended,
        is_failed=trial.state == "failed",
    )


def _done(folder: Path, slot: str, config: RunConfig) -> Child:
    content = read_sealed(folder / RECORD)
    with named_damage(folder / RECORD):
        started, ended = _span(folder / RECORD, content["timing"])
        return Child(
            key=f"final/{slot}",
            seal=content[SEAL],
            name=_name(config),
            config=config,
            path=folder,
            tags=_tags(config, "final", content["environment"]),
            metrics={
                f"{split}/{name}": math.nan if value is None else float(value)
                for split, values in content["metrics"].items()
                for name, value in values.items()
            },
            started=started,
            ended=ended,
            is_failed=False,
        )


def _name(config: RunConfig) -> str:
    """The name of a final run below its cell."""
    return config.replicate.replace(", ", "-").replace(" ", "-")


def _failed(folder: Path, slot: str, config: RunConfig) -> Child:
    error, ended = str(read_json(folder / ERROR).get("error")), (folder / ERROR).stat().st_mtime
    return Child(
        key=f"final/{slot}",
        seal=digest_of({"run_id": config.run_id, "error": error}),
        name=_name(config),
        config=config,
        path=folder / ERROR,
        tags=_tags(config, "final", None) | {"error": error},
        metrics={},
        started=ended,
        ended=ended,
        is_failed=True,
    )


def _tags(config: RunConfig, stage: str, environment: Mapping[str, Json] | None) -> dict[str, str]:
    draw = {} if config.draw is None else {"draw": str(config.draw)}
    return (
        base_tags(config)
        | draw
        | {
            "stage": stage,
            "data_fingerprint": config.data_fingerprint,
            "seed": str(config.seed),
            "run_id": config.run_id,
            "commit": str((environment or {}).get("commit") or ""),
        }
    )


def _span(path: Path, timing: Mapping[str, float | str]) -> tuple[float, float]:
    """Start and end of a final run, from its timing, else from the age of its record."""
    seconds = sum(float(timing.get(f"{part}_seconds", 0.0)) for part in ("train", "evaluate"))
    if "started" in timing:
        started = datetime.fromisoformat(str(timing["started"])).timestamp()
        return started, started + seconds
    ended = path.stat().st_mtime
    return ended - seconds, ended


def _points(history: pl.DataFrame) -> Iterator[HistoryPoint]:
    """Scores under the row's split; what train rows have beside scores are schedules, once each."""
    on_train = [row for row in history.iter_rows(named=True) if row["split"] == "train"]
    schedules = {
        name
        for row in on_train
        for name, value in row.items()
        if name not in (*INDEX_COLUMNS, *SCORES) and _is_number(value)
    }
    for row in history.iter_rows(named=True):
        for name, value in row.items():
            if name in INDEX_COLUMNS or not _is_number(value):
                continue
            if name not in schedules:
                yield f"{row['split']}/{name}", float(value), int(row["step"])
            elif row["split"] == "train":
                yield f"schedule/{name}", float(value), int(row["step"])


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not math.isnan(value)
