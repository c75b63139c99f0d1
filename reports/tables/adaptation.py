"""Adaptation: whether predictions adapted to a domain beat those of the shared start, on dev."""

from __future__ import annotations

from functools import partial

import pandas as pd

from benchmark.metrics import METRICS
from reports.analysis.differences import moments, rows_of
from reports.look import columns
from reports.look.table import Table
from reports.look.units import units_text
from reports.reading.keys import CELL
from reports.reading.load import Runs
from reports.tables._study import difference

_UNADAPTED = "unadapted_logloss"
_LOGLOSS = METRICS["logloss"]
_NOTES = [
    "Dev split, LogLoss, lower is better. Adapted: the predictor that the method makes of train"
    " rows scores dev, of MAML the parameters that each task has after its inner steps. Unadapted:"
    " the model itself scores dev. Mean ± sample standard deviation over the runs.",
    f"Δ is adapted minus unadapted, in units of {units_text([_LOGLOSS])}, run by run; where it is"
    " not below zero, adapting did not help. Better counts the runs in which it did.",
]


def tabulate(runs: Runs) -> pd.DataFrame:
    """One row per model whose method adapts; nan where a run does not say what it was before."""
    runs = runs.study("main", "controls")
    scores = runs.metrics("dev")
    if _UNADAPTED not in scores:
        return pd.DataFrame()
    adapting = set(scores.loc[scores[_UNADAPTED].notna(), "method"])
    rows = []
    for model in runs.models.to_dict("records"):
        if model["method"] in adapting:
            own = rows_of(scores, {name: model[name] for name in CELL})
            delta = own["logloss"] - own[_UNADAPTED]
            rows.append(
                model
                | {"runs": len(own), "runs_better": int((delta < 0).sum())}
                | moments("logloss", own["logloss"])
                | moments(_UNADAPTED, own[_UNADAPTED])
                | moments("logloss_delta", delta)
            )
    return pd.DataFrame(rows)


_COLUMNS = [
    columns.MODEL,
    columns.spread("Adapted", "logloss", _LOGLOSS.digits),
    columns.spread("Unadapted", _UNADAPTED, _LOGLOSS.digits),
    difference("Δ", "logloss_delta", _LOGLOSS),
    columns.number("Better", "runs_better", 0),
    columns.RUNS,
]


TABLE = Table(
    title="Adaptation: adapted against unadapted predictions",
    section="methods",
    position=100,
    is_folded=True,
    study="main, controls",
    tabulate=tabulate,
    arrange=partial(columns.laid_out, columns=_COLUMNS, notes=_NOTES),
)
