"""AUC of the main models as bars."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure as Canvas

from reports.look.part import Figure
from reports.look.style import look_of

if TYPE_CHECKING:
    from reports.reading.load import Runs


def tabulate(runs: Runs) -> pd.DataFrame:
    """Mean and standard deviation of test AUC by model."""
    scores = runs.study("foreign_linear").metrics()
    if scores.empty:
        return pd.DataFrame()
    by_model = scores.groupby(["backbone", "method", "changes"], sort=False)["auc"]
    return by_model.agg(["mean", "std"]).reset_index()


def draw(table: pd.DataFrame) -> Canvas:
    """One bar a model."""
    canvas = Canvas(figsize=(4, 3), layout="constrained")
    panel = canvas.subplots()
    labels = [f"{look_of(row['method'])['label']} {row['changes']}" for _, row in table.iterrows()]
    panel.bar(labels, table["mean"], yerr=table["std"].fillna(0.0))
    panel.set_ylabel("test AUC")
    return canvas


def notes(table: pd.DataFrame) -> list[str]:
    """The caption."""
    return ["Mean and sample standard deviation over the runs."]


FIGURE = Figure(
    title="AUC as bars",
    section="result",
    position=90,
    study="foreign_linear",
    tabulate=tabulate,
    draw=draw,
    notes=notes,
)
