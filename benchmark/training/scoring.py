"""From a training and its logits to what the store keeps: predictions, metrics, trials."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import polars as pl

from benchmark.metrics import evaluate
from benchmark.store.data_folder import SCORED, known_rows
from benchmark.store.trials import Trial, write_trial
from benchmark.training.process import environment_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmark.config import Json
    from benchmark.tasks import TrialTask
    from benchmark.training.trainer import Training
    from datasets.prepare import PreparedData
    from datasets.spec import SplitName

Scores = dict[str, dict[str, float | int]]


def labels(data: PreparedData, split: SplitName) -> NDArray:
    """The labels (n,) of a split."""
    return _column(data, split, -1).astype("int8")


def eval_domains(data: PreparedData, split: SplitName) -> NDArray:
    """The ids (n,) of the domains that metrics group by."""
    return _column(data, split, -2)


def p_click(data: PreparedData, split: SplitName) -> NDArray | None:
    """The true click probability of a split's rows, on worlds."""
    known, span = data.p_click(), data.split[split]
    return None if known is None else known[span.start : span.stop]


def predictions(data: PreparedData, split: SplitName, logit: NDArray) -> pl.DataFrame:
    """The stored predictions of a split: its `known_rows` and their logits."""
    return known_rows(data, split).with_columns(logit=pl.Series(logit))


def scores(data: PreparedData, frames: pl.DataFrame) -> Scores:
    """All metrics of dev and test, computed from the stored columns."""
    found: Scores = {}
    for split in SCORED:
        frame = frames.filter(split=split)
        domain = frame["eval_domain_id"]
        found[split] = evaluate(frame["label"], frame["logit"], domain, p_click(data, split))
    return found


def _column(data: PreparedData, split: SplitName, column: int) -> NDArray:
    span = data.split[split]
    return data.rows()[span.start : span.stop, column]


def keep_trial(
    task: TrialTask, training: Training, *, epochs: float, passes_per_visit: float, start: float
) -> None:
    """Write a complete trial that began at `start` of the performance counter.

    Raises:
        OSError: the output folder cannot be written.
    """
    trial = Trial(
        index=task.index,
        config=task.config,
        params=task.params,
        state="complete",
        value=training.best_dev_score,
        optimizer_steps=training.steps,
        epochs=epochs,
        sample_visits=training.sample_visits,
        row_passes=training.sample_visits * passes_per_visit,
        seconds=time.perf_counter() - start,
        environment=environment_of(task.device),
    )
    write_trial(task.out / task.folder, trial)


def summary(training: Training) -> dict[str, Json]:
    """The part of a record on a training."""
    return {
        "best_step": training.best_step,
        "best_dev_score": training.best_dev_score,
        "candidates": training.candidates,
        "stopped_by": training.stopped_by,
    }
