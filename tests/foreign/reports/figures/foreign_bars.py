"""AUC of the cells of a study, each with its interval."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure as Canvas

from reports.analysis.differences import compared, with_intervals
from reports.look.panels import (
    GAP_NOTE,
    block_rows,
    counts_text,
    draw_baseline,
    draw_intervals,
    left_out,
)
from reports.look.part import Figure, draws_note
from reports.look.style import look_of
from reports.reading.keys import CELL


def tabulate(runs: object) -> pd.DataFrame:
    """One row per cell with finished runs: the mean AUC of its runs, and the interval around it."""
    runs = runs.study("foreign_linear")
    table = compared(runs)
    if table.empty:
        return table
    found = with_intervals(table, runs, ["auc"])
    return found[[*CELL, "runs", "draws", "auc_mean", "auc_low", "auc_high"]]


def draw(table: pd.DataFrame) -> Canvas:
    """A panel per log and backbone, a point per cell; dashed: the plain backbone."""
    canvas, blocks = block_rows(table, 1, 2.4)
    for (panel,), rows in blocks:
        draw_baseline(panel, rows, "auc")
        for place, (_, row) in enumerate(rows.iterrows()):
            draw_intervals(panel, [place], row.to_frame().T, "auc", look_of(row["method"]))
        labels = [f"{look_of(m)['label']} {c}" for m, c in rows[["method", "changes"]].to_numpy()]
        panel.set_xticks(range(len(rows)), labels)
        panel.set_ylabel("test AUC")
    return canvas


def notes(table: pd.DataFrame) -> list[str]:
    """The caption."""
    return [
        f"Points are means over the runs ({counts_text(table['runs'])}); bars: {GAP_NOTE}",
        *draws_note(table),
        *left_out(table),
    ]


FIGURE = Figure(
    title="AUC of STAR with one part changed",
    section="result",
    position=90,
    study="foreign_linear",
    tabulate=tabulate,
    draw=draw,
    notes=notes,
)
