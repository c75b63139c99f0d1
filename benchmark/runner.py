"""One cell, from a prepared log to a finished run folder; decides the device."""

from __future__ import annotations

import ctypes
import logging
import math
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl
import torch

from benchmark.cost import cost_of
from benchmark.datacard import SCORED
from benchmark.environment import machine
from benchmark.evaluator import MaskMeter, domain_table, predict
from benchmark.latency import latency
from benchmark.metrics import auc, evaluate, expected_scores, row_logloss
from benchmark.optimizers import Table, make_optimizer
from benchmark.records import RunResult, RunStore
from benchmark.seeding import generator, initialise, seed_dropout
from benchmark.trainer import DevScores, TrainSplit, train
from datasets.loader import EncodedRows
from models.ctr_model import CTRModel, ModelConfig
from models.domain_table import domain_tables
from models.registry import load_backbone, load_method

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmark.config import Json, RunConfig
    from benchmark.trainer import Training
    from datasets.loader import Batch
    from datasets.prepare import PreparedData
    from datasets.spec import EncodedSchema, SplitName
    from models.interfaces import Predictor

logger = logging.getLogger(__name__)

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One run to do: its configuration, its prepared log, the output folder and the device."""

    config: RunConfig
    data: PreparedData
    out: Path
    device: str


def run_cell(cell: Cell) -> None:
    """Train, evaluate and write one run.

    Raises:
        NonFiniteLossError: training left the numbers.
        OSError: the output folder cannot be written.
    """
    set_up_torch(cell.device)
    logger.info("start %s on %s", cell.config.title, cell.device)
    began = datetime.now(UTC)
    start = time.perf_counter()
    run = _Run(cell)
    training = run.train()
    trained = time.perf_counter()
    predictor = run.predictor()
    predictions, masks = run.predict(predictor)
    metrics = run.metrics(predictions, predictor)
    evaluated = time.perf_counter()
    result = RunResult(
        metrics=metrics,
        training=_summary(training),
        cost=cost_of(run.model, cell.config, rows=run.rows, predictor=predictor, training=training),
        history=pl.DataFrame(training.history, infer_schema_length=None),
        domains=domain_table(run.data.domains(), _split(predictions, "test"), run.p_click("test")),
        predictions=predictions,
        masks=masks,
        candidates=run.candidate_logits(predictor),
        timing={
            "started": began.isoformat(timespec="seconds"),
            "train_seconds": trained - start,
            "evaluate_seconds": evaluated - trained,
            "step_milliseconds": 1e3 * training.step_seconds / training.steps,
            "train_rows_per_second": training.sample_visits / training.step_seconds,
            **latency(predictor, run.rows),
        },
        environment=environment_of(cell.device),
    )
    RunStore(cell.out).write(cell.config, result)
    logger.info("end %s after %.1f s", cell.config.title, time.perf_counter() - start)


def set_up_torch(device: str) -> None:
    """One thread, which makes CPU kernels deterministic; on a GPU only deterministic kernels."""
    torch.set_num_threads(1)
    keep_freed_memory()
    if device != "cpu":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)


def keep_freed_memory() -> None:
    """Have glibc keep what a step frees for the next one, which else faults every page anew."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries have none
    if mallopt:
        mallopt(M_MMAP_THRESHOLD, 32 << 20)
        mallopt(M_TRIM_THRESHOLD, 512 << 20)


def environment_of(device: str) -> dict[str, Json]:
    """Versions, machine, device, dtype and thread count of this process."""
    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else "cpu"
    return machine() | {
        "device": device,
        "device_name": name,
        "dtype": str(torch.get_default_dtype()).removeprefix("torch."),
        "threads": torch.get_num_threads(),
    }


def build(config: RunConfig, schema: EncodedSchema, base_rate: float) -> CTRModel:
    """The initialised model of a configuration; `base_rate` is the click rate of train.

    Raises:
        ValueError: an unknown backbone or method, or a hyper-parameter out of its range.
    """
    model, first = assemble(config, schema), config.protocol.first_selectable_epoch
    if model.method.schedule_epochs > first:
        raise ValueError(
            f"the schedules of {config.method} run for {model.method.schedule_epochs} epochs, but"
            f" checkpoints may be picked from epoch {first} on; shorten them"
        )
    initialise(model, config.seed)
    model.base_logit.fill_(math.log(base_rate / (1.0 - base_rate)))
    return model


def assemble(config: RunConfig, schema: EncodedSchema) -> CTRModel:
    """The model of a configuration, without its initial values."""
    protocol = config.protocol
    backbone, method = load_backbone(config.backbone), load_method(config.method)
    return CTRModel(
        schema,
        ModelConfig(
            embedding_dim=protocol.embedding_dim,
            hidden_dims=protocol.hidden_dims,
            activation=protocol.activation,
            dropout=config.regularisers.dropout,
            sparse_gradient=config.embedding_optimizer == "sparse",
        ),
        backbone=(backbone, backbone.config(**config.backbone_config)),
        method=(method, method.config(**config.method_config)),
    )


def seen_schema(config: RunConfig, schema: EncodedSchema) -> EncodedSchema:
    """The view of a log that a configuration's methods see: its domains and its tasks."""
    if config.is_blind:
        return schema.view(domain_from="none", task_from="none")
    return schema.view(
        domain_from="task_id" if config.has_own_domains else "domain_id",
        task_from="domain_id" if config.has_full_task else "task_id",
    )


class _Run:
    """The moving parts of one cell."""

    def __init__(self, cell: Cell) -> None:
        self.config = cell.config
        self.data = cell.data
        schema = seen_schema(self.config, self.data.schema)
        self.rows = EncodedRows(self.data.rows(), schema, cell.device)
        self.split = TrainSplit(
            self.rows, self.data.split["train"], self.config.protocol.batch_size
        )
        base_rate = self.labels("train").mean().item()
        self.model = build(self.config, schema, base_rate).to(cell.device)

    def train(self) -> Training:
        config, model = self.config, self.model
        seed_dropout(config.seed)
        counts = [torch.from_numpy(count) for count in self.data.frequencies()]
        weight = model.embedding.weight
        frequency = model.embedding.layout(counts).to(weight.device)
        optimizer = make_optimizer(
            model.parameters(),
            config.protocol.learning_rate,
            config.regularisers,
            table=Table(weight, frequency, is_row_wise=config.embedding_optimizer == "sparse"),
            domain_tables=domain_tables(model),
            steps_per_epoch=self.split.steps_per_epoch,
        )
        order = generator(config.seed, "order")
        return train(
            model,
            self.split,
            config.protocol,
            optimizer=optimizer,
            generator=order,
            score_dev=self.score_dev,
        )

    def score_dev(self) -> DevScores:
        """Where the method adapts the model, the scores without that are in the history too."""
        predictor = self.predictor()
        scores = self.dev_loss_and_auc(predictor)
        if predictor is self.model:
            return DevScores(*scores)
        before = self.dev_loss_and_auc(self.model)
        return DevScores(*scores, {"unadapted_loss": before[0], "unadapted_auc": before[1]})

    def dev_loss_and_auc(self, predictor: Predictor) -> tuple[float, float]:
        label = self.labels("dev")
        logit = predict(predictor, self.rows, self.data.split["dev"])
        return float(row_logloss(label, logit).mean()), auc(label, logit)

    def predictor(self) -> Predictor:
        """What the method makes of the current weights for evaluation."""
        self.model.eval()
        return self.model.method.adapt(self.model, self.split)

    def labels(self, split: SplitName) -> NDArray:
        return self._range(split).label.cpu().numpy().astype("int8")

    def predict(self, predictor: Predictor) -> tuple[pl.DataFrame, dict[str, NDArray]]:
        """Stored predictions of dev and test, and the masks on test."""
        meter = MaskMeter(self.model.method, self.data.domains().height)
        frames = []
        for split in SCORED:
            watch = meter if split == "test" else None
            span = self.data.split[split]
            columns = {
                "row_id": self.data.row_ids()[span.start : span.stop],
                "eval_domain_id": self._range(split).eval_domain_id.cpu().numpy(),
                "label": self.labels(split),
                "logit": predict(predictor, self.rows, span, watch),
            }
            frames.append(pl.DataFrame(columns).select(pl.lit(split).alias("split"), pl.all()))
        return pl.concat(frames), meter.masks()

    def candidate_logits(self, predictor: Predictor) -> pl.DataFrame | None:
        """The logits of the candidates of the simulated A/B test; generated logs only."""
        if not self.data.candidates:
            return None
        return pl.DataFrame({"logit": predict(predictor, self.rows, self.data.candidates)})

    def metrics(
        self, predictions: pl.DataFrame, predictor: Predictor
    ) -> dict[str, dict[str, float | int]]:
        """All metrics of dev and test, computed from the stored columns.

        Where `predictor` is not the model itself, also what the model alone scores on dev.
        """
        scores: dict[str, dict[str, float | int]] = {}
        for split in SCORED:
            frame = _split(predictions, split)
            scores[split] = evaluate(frame["label"], frame["logit"], frame["eval_domain_id"])
            p_click = self.p_click(split)
            if p_click is not None:
                scores[split] |= expected_scores(p_click, frame["logit"], frame["eval_domain_id"])
        if predictor is not self.model:
            before = self.dev_loss_and_auc(self.model)
            scores["dev"] |= {"unadapted_logloss": before[0], "unadapted_auc": before[1]}
        return scores

    def p_click(self, split: SplitName) -> NDArray | None:
        """The true click probability of a split's rows, on worlds."""
        p_click = self.data.p_click()
        span = self.data.split[split]
        return None if p_click is None else p_click[span.start : span.stop]

    def _range(self, split: SplitName) -> Batch:
        span = self.data.split[split]
        return self.rows.range(span.start, span.stop)


def _split(predictions: pl.DataFrame, split: SplitName) -> pl.DataFrame:
    return predictions.filter(pl.col("split") == split)


def _summary(training: Training) -> dict[str, Json]:
    return {
        "best_step": training.best_step,
        "best_dev_auc": training.best_dev_auc,
        "candidates": training.candidates,
        "stopped_early": training.stopped_early,
    }
