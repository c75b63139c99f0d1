"""One training, from a prepared log to a run folder or a trial; decides the device."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import polars as pl
import torch

from benchmark.cost.counts import cost_of
from benchmark.metrics import METRICS
from benchmark.running.memory import check_fits, memory_of
from benchmark.store.data_folder import domain_table
from benchmark.store.records import RunResult, RunStore
from benchmark.tasks import Compute
from benchmark.training import scoring
from benchmark.training.build import build, coarser_ids, domain_donors, seen_schema
from benchmark.training.clock import Seconds
from benchmark.training.compiled.step import compiled_step
from benchmark.training.epoch_order import order_for
from benchmark.training.optimizers import make_optimizer
from benchmark.training.process import environment_of, set_up_torch
from benchmark.training.scoring import MaskMeter, keep_trial, summary
from benchmark.training.seeding import generator, permute_labels, seed_global_streams
from benchmark.training.trainer import DevScores, Steps, TrainSplit, train
from datasets.loader import EncodedRows
from models.interfaces import check_predictor
from models.predictors import predict, weights_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmark.config import RunConfig
    from benchmark.tasks import RunTask, TrialTask
    from benchmark.training.trainer import Training
    from datasets.prepare import PreparedData
    from datasets.spec import SplitName
    from models.interfaces import Predictor

logger = logging.getLogger(__name__)


def run_cell(cell: RunTask) -> None:
    """Train, evaluate and write one run; the weights of the first run of a main cell too.

    Raises:
        MemoryShortageError: the model cannot fit into the memory of the machine.
        NonFiniteLossError: training left the numbers.
        OSError: the output folder cannot be written.
    """
    config, result = cell.config, train_cell(cell.config, cell.data, cell.compute)
    RunStore(cell.out).write(config, result if config.is_kept else replace(result, weights=None))


def train_cell(config: RunConfig, data: PreparedData, compute: Compute = Compute()) -> RunResult:
    """Train one run and evaluate it; its weights make the model again.

    Raises:
        MemoryShortageError: the model cannot fit into the memory of the machine.
        NonFiniteLossError: training left the numbers.
    """
    device = compute.device
    set_up_torch(compute)
    logger.info("start %s on %s", config.title, device)
    began = datetime.now(UTC)
    start = Seconds.now()
    run = _Run(config, data, compute, last="test")
    initial = run.initial_masks()
    training = run.train()
    trained = Seconds.now()
    predictor = run.predictor()
    predictions, masks = run.predict(predictor)
    metrics = run.metrics(predictions, predictor)
    evaluated = Seconds.now()
    result = RunResult(
        metrics=metrics,
        training=summary(training),
        cost=cost_of(run.model, run.rows, predictor=predictor, training=training),
        history=pl.DataFrame(training.history, infer_schema_length=None),
        domains=domain_table(
            run.data.domains(),
            scoring.scored_columns(predictions, "test"),
            scoring.p_click(run.data, "test"),
        ),
        predictions=predictions,
        masks=masks | initial,
        candidates=scoring.candidate_logits(run.data, partial(predict, predictor, run.rows)),
        weights=weights_of(run.model, predictor),
        timing={
            "started": began.isoformat(timespec="seconds"),
            **start.until(trained).named("train"),
            **trained.until(evaluated).named("evaluate"),
            "step_milliseconds": 1e3 * training.step_seconds / training.steps,
            "step_cpu_milliseconds": 1e3 * training.step_cpu_seconds / training.steps,
            "train_rows_per_second": training.sample_visits / training.step_seconds,
        },
        environment=environment_of(device, training.row_order),
    )
    logger.info("end %s after %.1f s", config.title, start.passed().wall)
    return result


def run_trial(task: TrialTask) -> None:
    """Train on train, pick the checkpoint on dev, and write the trial; test rows are not read.

    Raises:
        MemoryShortageError: the model cannot fit into the memory of the machine.
        NonFiniteLossError: training left the numbers.
        OSError: the output folder cannot be written.
    """
    set_up_torch(task.compute)
    logger.info("start %s on %s", task.title, task.compute.device)
    start = Seconds.now()
    run = _Run(task.config, task.data, task.compute, last="dev")
    training = run.train()
    epochs = training.steps / run.split.steps_per_epoch
    passes = run.model.method.passes_per_visit
    keep_trial(task, training, epochs=epochs, passes_per_visit=passes, start=start)


class _Run:
    """The moving parts of one training on the splits up to `last`."""

    def __init__(
        self, config: RunConfig, data: PreparedData, compute: Compute, *, last: SplitName
    ) -> None:
        self.config = config
        self.data = data
        self.compute = compute
        coarser = coarser_ids(self.config, self.data)
        schema = seen_schema(self.config, self.data.schema, coarser)
        rows = self.data.rows()
        rows = rows if last == "test" else rows[: self.data.split[last].stop]
        check_fits(config, schema, compute, row_bytes=rows.nbytes)
        span = data.split["train"]
        if config.labels == "permuted":
            permute_labels(rows[span.start : span.stop], config.seed)
        donors = domain_donors(data)[: len(rows)] if config.is_placebo else None
        self.rows = EncodedRows(rows, schema, compute.device, coarser, donors)
        of_size = order_for(len(span), len(span) * self.rows.bytes_per_row, memory_of("cpu"))
        row_order = compute.row_order or of_size
        self.split = TrainSplit(self.rows, span, config.protocol.batch_size, row_order)
        base_rate = scoring.labels(self.data, "train").mean().item()
        seed_global_streams(config.seed)  # and again before training, whatever building draws
        self.model = build(self.config, schema, base_rate).to(compute.device)

    def initial_masks(self) -> dict[str, NDArray]:
        """The masks of the untrained model on test: `<layer>_initial_factor`, if it prunes."""
        meter = MaskMeter(self.model.method, self.data.domains().height)
        self.model.eval()
        span = self.data.split["test"]
        predict(self.model, self.rows, span[:1], meter)
        if meter.masks():
            meter = MaskMeter(self.model.method, self.data.domains().height)
            predict(self.model, self.rows, span, meter)
        end = "_mean_factor"
        return {
            name.removesuffix(end) + "_initial_factor": values
            for name, values in meter.masks().items()
            if name.endswith(end)
        }

    def train(self) -> Training:
        config, model = self.config, self.model
        seed_global_streams(config.seed)
        counts = [torch.from_numpy(count) for count in self.data.frequencies()]
        optimizer = make_optimizer(
            model,
            config.protocol.learning_rate,
            config.regularisers,
            frequency=model.embedding.layout(counts),
            steps_per_epoch=self.split.steps_per_epoch,
        )
        most_steps = config.protocol.evaluation_steps(self.split.steps_per_epoch)[-1]
        compiled = compiled_step(model, optimizer, self.split, most_steps, self.compute)
        order = generator(config.seed, "order")
        return train(
            Steps(model, optimizer, compiled),
            self.split,
            config.protocol,
            generator=order,
            score_dev=self.score_dev,
        )

    def score_dev(self) -> DevScores:
        """Score dev; where the method adapts the model, also without that, for the history."""
        predictor = self.predictor()
        scores = self.dev_scores(predictor)
        if predictor is self.model:
            return scores
        before = self.dev_scores(self.model)
        extra = {"unadapted_loss": before.loss, "unadapted_auc": before.auc}
        return replace(scores, extra=extra)

    def dev_scores(self, predictor: Predictor) -> DevScores:
        label = scoring.labels(self.data, "dev")
        logit = predict(predictor, self.rows, self.data.split["dev"])
        domain = scoring.eval_domains(self.data, "dev")
        selection = self.config.protocol.selection_metric
        found = {
            name: METRICS[name].of_rows(label, logit, domain)
            for name in {"logloss", "auc", selection}
        }
        return DevScores(found["logloss"], found["auc"], found[selection])

    def predictor(self) -> Predictor:
        """The predictor that the method makes of the current weights for evaluation.

        Raises:
            TypeError: it is no predictor that could be kept.
        """
        self.model.eval()
        predictor = self.model.method.adapt(self.model, self.split)
        check_predictor(self.model, predictor)
        return predictor

    def predict(self, predictor: Predictor) -> tuple[pl.DataFrame, dict[str, NDArray]]:
        """Stored predictions of dev and test, and the masks on test."""
        meter = MaskMeter(self.model.method, self.data.domains().height)
        test = self.data.split["test"]

        def logits_of(span: range) -> NDArray[np.float32]:
            return predict(predictor, self.rows, span, meter if span == test else None)

        return scoring.predictions(self.data, logits_of), meter.masks()

    def metrics(self, predictions: pl.DataFrame, predictor: Predictor) -> scoring.Scores:
        """All metrics; those of the model alone on dev too, where `predictor` is another."""
        scores = scoring.scores(self.data, predictions)
        if predictor is not self.model:
            before = self.dev_scores(self.model)
            scores["dev"] |= {"unadapted_logloss": before.loss, "unadapted_auc": before.auc}
        return scores
