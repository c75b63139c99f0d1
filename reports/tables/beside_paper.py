"""The paper's Table 1 beside ours: each difference to plain here, and as the paper prints it."""

from __future__ import annotations

from functools import partial
from typing import Literal

import pandas as pd

from benchmark.metrics import SCORES
from reports.claims.paper import paper_log, paper_scores
from reports.look import columns
from reports.look.table import Table, TableLayout, number
from reports.look.units import units_text
from reports.reading.load import Runs
from reports.reading.names import BASELINE
from reports.tables import table1

_PRINTED: tuple[Literal["logloss"], Literal["auc"], Literal["gauc"]] = ("logloss", "auc", "gauc")
_DIGITS = {"logloss": 6, "auc": 4, "gauc": 4}
_NOTE = (
    "Differences to the plain backbone in units of"
    f" {units_text(SCORES[name] for name in _PRINTED)}: first here, with the interval of Table 1,"
    " then between the numbers that AdaSparse's Table 1 prints, with the number itself and its"
    " asterisk. The paper's log is another one: only signs, order and rough sizes of the"
    " differences can be compared."
)


def tabulate(runs: Runs) -> pd.DataFrame:
    """The rows of Table 1 that the paper prints, with `paper_<metric>` and its `_delta`."""
    table = table1.tabulate(runs)
    if table.empty:
        return table
    printed = pd.DataFrame([_printed(row) for row in table.to_dict("records")], table.index)
    if printed.columns.empty:
        return pd.DataFrame()
    return table.join(printed).dropna(subset=printed.columns)


def _printed(keys: columns.Row) -> dict[str, object]:
    """The paper's numbers for a model, and its differences to the paper's plain backbone."""
    own, plain = (
        paper_scores(keys["dataset"], keys["backbone"], method)
        for method in (keys["method"], BASELINE)
    )
    if own is None or plain is None:
        return {}
    row: dict[str, object] = {}
    for metric in _PRINTED:
        row[f"paper_{metric}"] = own[metric]
        row[f"paper_{metric}_delta"] = own[metric] - plain[metric]
        row[f"paper_{metric}_star"] = metric in own["starred"]
    return row


def arrange(table: pd.DataFrame) -> TableLayout:
    """One block per data set and backbone."""
    shown = [columns.MODEL]
    for name in _PRINTED:
        unit, title = SCORES[name].difference_unit, SCORES[name].title
        here = columns.interval(f"Δ {title}", f"{name}_delta", 1, unit=unit)
        shown += [
            *columns.of_methods(here),
            columns.text(f"Paper Δ ({title})", partial(_paper, name, unit)),
        ]
    logs = {name: paper_log(name) for name in table["dataset"].unique()}
    beside = ", ".join(f"its {log} log beside {name}" for name, log in logs.items())
    return columns.laid_out(table, shown, [f"{_NOTE} Here {beside}."])


def _paper(metric: str, unit: float, row: columns.Row) -> str:
    """The paper's number in brackets, after its difference if it is not the plain backbone's."""
    name = f"paper_{metric}"
    star = "*" if row[f"{name}_star"] else ""
    printed = f"({number(row[name], _DIGITS[metric])}{star})"
    delta = number(row[f"{name}_delta"], 1, signed=True, unit=unit)
    return printed if row["method"] == BASELINE else f"{delta} {printed}"


TABLE = Table(
    title="Beside the paper's Table 1",
    section="claims",
    position=20,
    is_folded=True,
    study="main",
    tabulate=tabulate,
    arrange=arrange,
)
