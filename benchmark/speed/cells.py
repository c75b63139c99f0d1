"""The cost of one model, measured in a fresh process of its own."""

from __future__ import annotations

import math
import statistics
import timeit
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import torch

from benchmark.cost.compact import CompactPredictor
from benchmark.cost.counts import count_multiply_adds, latency, multiply_adds, parameter_counts
from benchmark.cost.random_log import (
    NUM_ROWS,
    ad_log_schema,
    config_on,
    optimizer_on,
    protocol_of,
    random_rows,
    training_step,
)
from benchmark.speed.figures import PROCESS, memory_mib
from benchmark.store.files import write_whole
from benchmark.training.build import build
from benchmark.training.process import set_up_torch
from benchmark.training.trainer import TrainSplit
from models.methods.adasparse import Pruner

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmark.config import Json, RunConfig
    from benchmark.training.optimizers import ProtocolAdam
    from datasets.loader import Batch, EncodedRows
    from models.ctr_model import CTRModel

Row = dict[str, "Json"]

BATCH_SIZE = 256
LATENCY_CALLS = {1: 1_000, BATCH_SIZE: 300}
WARM_UP_STEPS, STEPS = 100, 200
SHUT_SHARE = 0.2  # of all gates, the middle of the default band


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredModel:
    """A model to measure, on a log with so many domains; `is_compact` is the really pruned one."""

    backbone: str
    method: str
    num_domains: int
    reads_e_d: bool = False  # the pruners of AdaSparse, e_d alone
    is_compact: bool = False

    @property
    def name(self) -> str:
        """The name of the model in tables."""
        kind = ", compact" if self.is_compact else ", masked" if self.reads_e_d else ""
        return f"{self.backbone}+{self.method}{' (e_d)' if self.reads_e_d else ''}{kind}"


def measure_cell(cell: MeasuredModel) -> Row:
    """Counts, latency, memory and training speed on one thread.

    Memory is the growth of the resident set over that of a process which has torch and the log:
    its peak while the model is made and serves, and anew while it trains. Pages that nothing has
    written yet, such as the moments of domains that did not occur, are not in it; memory that was
    freed but kept by the process is, so some of MAML's adaptation is in its peak of training.
    """
    set_up_torch()
    schema = ad_log_schema(cell.num_domains)
    rows = random_rows(schema, NUM_ROWS)
    split = TrainSplit(rows, range(NUM_ROWS), BATCH_SIZE)
    options: dict[str, Json] = {"pruner_input": "e_d"} if cell.reads_e_d else {}
    config = config_on(schema, protocol_of(BATCH_SIZE), cell.backbone, cell.method, options)
    _forget_peak()
    before = memory_mib("VmRSS")
    model = build(config, schema, base_rate=0.5).eval()
    _shut_a_share(model)
    predictor = CompactPredictor(model) if cell.is_compact else model.method.adapt(model, split)
    if cell.is_compact:  # compiling a domain's network is no part of a call
        predictor(_a_row_of_each_domain(rows))
    measured: Row = {**latency(predictor, rows, LATENCY_CALLS)}
    measured["serving_memory_mib"] = memory_mib("VmHWM") - before
    counted: Row = {**parameter_counts(model, predictor)}
    if isinstance(predictor, CompactPredictor):
        counted |= _of_compact(predictor)
    else:
        del predictor
        _forget_peak()
        measured |= _trained(model, optimizer_on(model.train(), config), split)
        measured["training_memory_mib"] = memory_mib("VmHWM") - before
        counted |= _work(model, config, rows)  # last, since torch's counter loads much else
    return {"model": cell.name, "num_domains": cell.num_domains, **counted, **measured}


def _a_row_of_each_domain(rows: EncodedRows) -> Batch:
    domain_id = rows.range(0, len(rows)).domain_id.numpy()
    return rows.batch(torch.from_numpy(np.unique(domain_id, return_index=True)[1]))


def _trained(model: CTRModel, optimizer: ProtocolAdam, split: TrainSplit) -> Row:
    """The median step, after as many as give most domains their turn."""
    step = training_step(model, optimizer, split)
    seconds = timeit.repeat(step, number=1, repeat=WARM_UP_STEPS + STEPS)
    median = statistics.median(seconds[WARM_UP_STEPS:])
    return {"step_milliseconds": 1e3 * median, "train_rows_per_second": split.batch_size / median}


def _work(model: CTRModel, config: RunConfig, rows: EncodedRows) -> Row:
    """Multiply-adds of a row, and of a batch of many domains, padding included."""
    batch = rows.range(0, BATCH_SIZE)
    return {
        **multiply_adds(model, rows),
        "multiply_adds_of_256_rows": count_multiply_adds(model, batch),
        "domains_in_256_rows": len(batch.domain_id.unique()),
    }


def _of_compact(predictor: CompactPredictor) -> Row:
    """Means over the networks of all domains, which are served together."""
    networks = predictor.networks.values()
    parameters = [sum(p.numel() for p in network.parameters()) for network in networks]
    return {
        "dense_parameters": round(statistics.mean(parameters)),
        "served_parameters": sum(parameters) + predictor.model.embedding.weight.numel(),
        "multiply_adds": round(statistics.mean(network.multiply_adds for network in networks)),
    }


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """A CSV file with a line per cell; what was not measured is empty."""
    frame = pl.DataFrame(rows, infer_schema_length=None)
    write_whole(path, frame.write_csv)


@torch.no_grad()
def _shut_a_share(model: CTRModel) -> None:
    """Draw the biases of AdaSparse's pruners so that `SHUT_SHARE` of all gates are shut.

    As at the end of training; at the start all are open, and there is nothing to leave out.
    """
    model.method.after_step(model.method.schedule_epochs)
    deviations = statistics.NormalDist().inv_cdf(SHUT_SHARE)
    draw = torch.Generator().manual_seed(0)
    for pruner in (module for module in model.modules() if isinstance(module, Pruner)):
        # Fusion shuts a gate where sigmoid(alpha v) <= epsilon / beta, and v is nearly the bias.
        ratio = pruner.gating.threshold / pruner.gating.gain
        limit = math.log(ratio / (1.0 - ratio)) / pruner.alpha.item()
        pruner.bias.normal_(0.0, limit / deviations, generator=draw)


def _forget_peak() -> None:
    """Have the peak of resident memory count from here on."""
    with suppress(OSError):
        (PROCESS / "clear_refs").write_text("5")
