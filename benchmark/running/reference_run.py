"""One fit of a reference model, from a prepared log to a run folder or a trial."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from benchmark.references.registry import fit
from benchmark.store.data_folder import domain_table
from benchmark.store.records import RunResult, RunStore
from benchmark.tasks import Compute
from benchmark.training import scoring
from benchmark.training.clock import Seconds
from benchmark.training.process import environment_of, set_up_torch
from benchmark.training.scoring import keep_trial, summary

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmark.tasks import RunTask, TrialTask

ON_CPU = Compute(kernels="torch")


def run_cell(cell: RunTask) -> None:
    """Fit, evaluate and write one run.

    Raises:
        OSError: the output folder cannot be written.
    """
    set_up_torch(ON_CPU)
    began, start, data = datetime.now(UTC), Seconds.now(), cell.data
    scorer = fit(cell.config, data, cell.config.seed)
    trained = Seconds.now()
    rows = data.rows()

    def logits_of(span: range) -> NDArray[np.float32]:
        return scorer(rows[span.start : span.stop]).astype(np.float32)

    predictions = scoring.predictions(data, logits_of)
    candidates = scoring.candidate_logits(data, logits_of)
    test, known = scoring.scored_columns(predictions, "test"), scoring.p_click(data, "test")
    metrics = scoring.scores(data, predictions)
    evaluated = Seconds.now()
    training = scorer.training
    result = RunResult(
        metrics=metrics,
        training=summary(training),
        cost={
            **scorer.complexity,
            "optimizer_steps": training.steps,
            "sample_visits": training.sample_visits,
        },
        history=pl.DataFrame(training.history, infer_schema_length=None),
        domains=domain_table(data.domains(), test, known),
        predictions=predictions,
        masks={},
        candidates=candidates,
        timing={
            "started": began.isoformat(timespec="seconds"),
            **start.until(trained).named("train"),
            **trained.until(evaluated).named("evaluate"),
        },
        environment=environment_of("cpu"),
    )
    RunStore(cell.out).write(cell.config, result)


def run_trial(task: TrialTask) -> None:
    """Fit on train, choose on dev, and write the trial; test rows are not read.

    Raises:
        OSError: the output folder cannot be written.
    """
    set_up_torch(ON_CPU)
    start = Seconds.now()
    training = fit(task.config, task.data, task.config.seed).training
    epochs = training.sample_visits / len(task.data.split["train"])
    on_cpu = replace(task, compute=ON_CPU)
    keep_trial(on_cpu, training, epochs=epochs, passes_per_visit=1.0, start=start)
