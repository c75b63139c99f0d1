"""Cost: parameters of each model, and the work and time that its training took."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.layout import Entry, Layout, Table, blocks_of, number
from reports.load import MODEL
from reports.names import title_of

if TYPE_CHECKING:
    import pandas as pd

    from reports.load import Runs

_AVERAGED = ["optimizer_steps", "best_step", "train_seconds", "step_milliseconds"]
_COUNTED = ["embedding_parameters", "dense_parameters"]
_NOTES = [
    "Steps, seconds and milliseconds are means over the seeds. The kept step is that of the best"
    " dev AUC; its weights are the ones that are tested.",
    "Training with evaluations is the whole training with its dev evaluations. A training step is"
    " forward, backward and optimiser, the mean over the steps of a run.",
    "Times depend on the machine and on what else ran on it, other runs among it.",
]


def tabulate(runs: Runs) -> pd.DataFrame:
    """Parameters, and means over the finished seeds, of each model."""
    costs = runs.costs()
    if costs.empty:
        return costs
    grouped = costs.groupby(MODEL)
    numbers = grouped[_COUNTED].first().join(grouped[_AVERAGED].mean()).reset_index()
    return runs.models[MODEL].merge(numbers, on=MODEL)


def arrange(table: pd.DataFrame) -> Layout:
    """One block per data set and backbone."""
    columns = [
        "Model",
        "Embedding parameters",
        "Dense parameters",
        "Steps",
        "Kept step",
        "Training with evaluations, s",
        "Training step, ms",
    ]
    return Layout(columns=columns, blocks=blocks_of(table, _entries), notes=_NOTES)


def _entries(block: pd.DataFrame) -> list[list[Entry]]:
    digits = dict.fromkeys([*_COUNTED, "optimizer_steps", "best_step"], 0)
    digits |= {"train_seconds": 1, "step_milliseconds": 2}
    return [
        [
            Entry(title_of(row["backbone"], row["method"])),
            *(Entry(number(row[key], digits[key])) for key in digits),
        ]
        for row in block.to_dict("records")
    ]


TABLE = Table(title="Cost", position=3, tabulate=tabulate, arrange=arrange)
