"""From a training and its predictor to what the store keeps: logits, masks, metrics, trials."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import torch

from benchmark.metrics import evaluate
from benchmark.store.data_folder import SCORED, known_rows
from benchmark.store.trials import Trial, write_trial
from benchmark.training.process import environment_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from benchmark.config import Json
    from benchmark.tasks import TrialTask
    from benchmark.training.clock import Seconds
    from benchmark.training.trainer import Training
    from datasets.loader import Batch
    from datasets.prepare import PreparedData
    from datasets.spec import SplitName
    from models.interfaces import DomainMethod

    LogitsOf = Callable[[range], NDArray[np.float32]]  # of the rows in a span

Scores = dict[str, dict[str, float | int]]


class MaskMeter:
    """Averages a pruning method's factors and gates over the rows of each eval domain."""

    def __init__(self, method: DomainMethod, num_eval_domains: int) -> None:
        self.method = method
        self.num_eval_domains = num_eval_domains
        self.sums: dict[str, torch.Tensor] = {}
        self.rows = torch.zeros(num_eval_domains, dtype=torch.float64)

    def __call__(self, batch: Batch) -> None:
        """Add the rows of one batch that the method has just seen."""
        domain = batch.eval_domain_id.long().cpu()
        self.rows += torch.bincount(domain, minlength=self.num_eval_domains)
        for name, values in self.method.diagnostics().items():
            if values.ndim == 2:  # per row and neuron
                total = self.sums.setdefault(
                    name, torch.zeros(self.num_eval_domains, values.shape[1], dtype=torch.float64)
                )
                total.index_add_(0, domain, values.cpu().double())

    def masks(self) -> dict[str, NDArray[np.generic]]:
        """`masks.npz`: per layer (domains, N_l) mean factor and keep-rate, (domains,) sparsity.

        Row i belongs to eval domain i; nan where a domain has no test rows. Empty for a method that
        does not prune.
        """
        arrays: dict[str, NDArray[np.generic]] = {}
        for name, total in self.sums.items():
            layer, kind = name.split("/")
            mean = (total / self.rows.unsqueeze(1)).numpy().astype(np.float32)
            if kind == "factor":
                arrays[f"{layer}_mean_factor"] = mean
            elif kind == "gate":
                arrays[f"{layer}_keep_rate"] = mean
                arrays[f"{layer}_sparsity"] = 1.0 - mean.mean(axis=1)
        return arrays


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


def predictions(data: PreparedData, logits_of: LogitsOf) -> pl.DataFrame:
    """The stored predictions: the `known_rows` of dev and test, and their logits."""
    return pl.concat(
        known_rows(data, split).with_columns(logit=pl.Series(logits_of(data.split[split])))
        for split in SCORED
    )


def candidate_logits(data: PreparedData, logits_of: LogitsOf) -> pl.DataFrame | None:
    """The logits of the candidates of the simulated A/B test; generated logs only."""
    return pl.DataFrame({"logit": logits_of(data.candidates)}) if data.candidates else None


def scored_columns(frames: pl.DataFrame, split: SplitName) -> pl.DataFrame:
    """The domains, labels and logits of the predictions of a split."""
    return frames.select("split", "eval_domain_id", "label", "logit").filter(split=split)


def scores(data: PreparedData, frames: pl.DataFrame) -> Scores:
    """All metrics of dev and test, computed from the stored columns."""
    found: Scores = {}
    for split in SCORED:
        frame = scored_columns(frames, split)
        domain = frame["eval_domain_id"]
        found[split] = evaluate(frame["label"], frame["logit"], domain, p_click(data, split))
    return found


def _column(data: PreparedData, split: SplitName, column: int) -> NDArray:
    span = data.split[split]
    return data.rows()[span.start : span.stop, column]


def keep_trial(
    task: TrialTask, training: Training, *, epochs: float, passes_per_visit: float, start: Seconds
) -> None:
    """Write a complete trial that began at `start`.

    Raises:
        OSError: the output folder cannot be written.
    """
    spent = start.passed()
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
        seconds=spent.wall,
        cpu_seconds=spent.cpu,
        environment=environment_of(task.compute.device, training.row_order),
    )
    write_trial(task.out / task.folder, trial)


def summary(training: Training) -> dict[str, Json]:
    """The part of a record on a training."""
    return {
        "best_step": training.best_step,
        "best_dev_score": training.best_dev_score,
        "candidates": training.candidates,
        "stopped_by": training.stopped_by,
        "is_compiled": training.is_compiled,
    }
