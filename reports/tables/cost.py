"""Table 3: parameters and work of each model, and the time that training and answers took."""

from __future__ import annotations

import pandas as pd

from reports.look import columns
from reports.look.table import Table, TableLayout
from reports.reading.clock import LATENCY_NOTE, NOTE, unit
from reports.reading.keys import MODEL
from reports.reading.load import Runs

_COUNTED = {
    "embedding_parameters": "Embedding parameters",
    "dense_parameters": "Dense parameters",
    "domain_parameters": "Domain parameters",
    "multiply_adds": "Multiply-adds per row",
}
_AVERAGED = {
    "optimizer_steps": "Steps",
    "best_step": "Kept step",
    "train_compute_seconds": "Training with evaluations",
    "step_compute_milliseconds": "Training step",
    "latency_batch1_p50_milliseconds": "One row, ms",
    "latency_batch256_p50_milliseconds": "256 rows, ms",
}
_DIGITS = {"train_compute_seconds": 1} | {n: 2 for n in _AVERAGED if "milliseconds" in n}
_TIMES = {"train_compute_seconds": "s", "step_compute_milliseconds": "ms"}  # by a clock
_NOTES = [
    "The paper claims lower cost (section 3.1.3) and has no such table.",
    "Steps, seconds and milliseconds are means over the runs. The kept step is that of the best"
    " dev AUC; its weights are the ones that are tested.",
    "Training with evaluations is the whole training with its dev evaluations. A training step is"
    f" batch, forward, backward and optimiser, the mean over the steps of a run. {NOTE}",
    "Dense parameters are used by every row, domain parameters belong to one domain or task each"
    " (a method that adapts to tasks serves copies per task that are in neither, MAML one of its"
    " dense parameters). Multiply-adds are those of the matrix products of one row's prediction.",
    f"One row, 256 rows: median milliseconds of a prediction. {LATENCY_NOTE}",
    "What AdaSparse saves when its pruned neurons are really left out is measured by"
    " python -m benchmark.speed cost --out DIR, whose table is pruning once it has run.",
]


def tabulate(runs: Runs) -> pd.DataFrame:
    """Parameters, and means over the finished seeds, of each model."""
    runs = runs.study("main", "cost")
    costs = runs.costs()
    if costs.empty:
        return costs
    grouped = costs.reindex(columns=[*MODEL, *_COUNTED, *_AVERAGED]).groupby(MODEL)
    numbers = grouped[[*_COUNTED]].first().join(grouped[[*_AVERAGED]].mean()).reset_index()
    return runs.models[MODEL].merge(numbers, on=MODEL).assign(clock=runs.clock)


def arrange(table: pd.DataFrame) -> TableLayout:
    """One block per data set and backbone."""
    clock = table["clock"].iloc[0]
    units = {name: f", {unit(own, clock)}" for name, own in _TIMES.items()}
    shown = [
        columns.number(title + units.get(name, ""), name, _DIGITS.get(name, 0))
        for name, title in (_COUNTED | _AVERAGED).items()
    ]
    return columns.laid_out(table, [columns.MODEL, *shown], _NOTES)


TABLE = Table(
    title="Table 3: cost",
    section="cost",
    position=20,
    is_folded=True,
    study="main, cost",
    tabulate=tabulate,
    arrange=arrange,
)
