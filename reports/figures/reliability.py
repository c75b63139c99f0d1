"""Reliability: the click rates that models predict against those that follow, on test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from benchmark.metrics import probability
from benchmark.store.records import RunRecord
from reports.look.panels import MOST_BLOCKS, add_legend, counts_text, cut, left_out
from reports.look.part import Figure, draws_note
from reports.look.style import PAGE, in_order, look_of, panels
from reports.look.table import number
from reports.look.tooltips import tip
from reports.reading.keys import BLOCK, Replicate
from reports.reading.load import Runs
from reports.reading.names import model_title, name_of
from reports.reading.predictions import ScoredRows, file_of, scored_rows

NUM_BINS = 10  # of equally many test rows
_COLUMNS = 2
_HEIGHT = 3.0  # inches, of a row of panels
_LONGEST = 45  # characters of a panel's title
_ROOM = 0.05  # of the largest rate, around all


def tabulate(runs: Runs) -> pd.DataFrame:
    """One row per main model and bin of its predictions, mean over the runs.

    `predicted` and `observed` are the mean prediction and the click rate of the test rows of a bin,
    `observed_least` and `_greatest` the ends of its range over the runs, `rows` and `clicks` totals
    over them. `calibration` is the ratio of predicted and observed clicks of all rows.
    """
    runs = runs.study("main")
    rows: list[dict[str, object]] = []
    for block, models in runs.blocks():
        records, draws = runs.of_block(block), int(models["draws"].max())
        for method in models["method"]:
            if method in records:
                facts = {**block._asdict(), "method": method, "draws": draws}
                rows += [facts | row for row in _bins(records[method])]
    return pd.DataFrame(rows)


def _bins(records: Mapping[Replicate, RunRecord]) -> list[dict[str, object]]:
    found = np.array([reliability(scored_rows(file_of(one))) for one in records.values()])
    clicks, predictions, counts = np.moveaxis(found, -1, 0)  # (runs, bins) each
    if not counts.all():
        return []
    observed, predicted = clicks / counts, predictions / counts
    totals = clicks.sum(axis=1)
    has_clicks = bool(totals.all())
    ratio = float((predictions.sum(axis=1) / totals).mean()) if has_clicks else np.nan
    return [
        {
            "bin": place + 1,
            "predicted": predicted[:, place].mean(),
            "observed": observed[:, place].mean(),
            "observed_least": observed[:, place].min(),
            "observed_greatest": observed[:, place].max(),
            "rows": int(counts[:, place].sum()),
            "clicks": int(clicks[:, place].sum()),
            "runs": len(records),
            "calibration": ratio,
        }
        for place in range(NUM_BINS)
    ]


def reliability(rows: ScoredRows) -> np.ndarray:
    """Clicks, expected clicks and rows (bins, 3) of a run, in the order of its predictions."""
    order = np.argsort(rows.logit, kind="stable")
    predicted, label = probability(rows.logit)[order], rows.label[order]
    edges = np.linspace(0, order.size, NUM_BINS + 1).astype(np.intp)
    sums = [np.append(0.0, np.cumsum(one, dtype=np.float64)) for one in (label, predicted)]
    return np.stack([*(np.diff(one[edges]) for one in sums), np.diff(edges)], axis=-1)


def draw(table: pd.DataFrame) -> Canvas:
    """A panel per data set and backbone, a line per method."""
    blocks = [own for _, own in table.groupby(BLOCK, sort=False)][:MOST_BLOCKS]
    columns = min(len(blocks), _COLUMNS)
    canvas = panels(-(-len(blocks) // columns), columns, width=PAGE, height=_HEIGHT)
    for panel, own in zip(canvas.axes, blocks, strict=False):
        _draw_panel(panel, own)
    for panel in canvas.axes[len(blocks) :]:
        panel.remove()
    add_legend(canvas, table["method"])
    return canvas


def _draw_panel(panel: Axes, rows: pd.DataFrame) -> None:
    first = rows.iloc[0]
    most = float(rows[["predicted", "observed"]].max().max()) * (1.0 + _ROOM)
    diagonal: dict[str, Any] = {"color": "#777777", "linestyle": "--", "linewidth": 0.8}
    panel.plot([0.0, most], [0.0, most], **diagonal, label="as predicted")
    for method in in_order(rows["method"]):
        own = rows[rows["method"] == method]
        look: dict[str, Any] = {**look_of(method)}
        (line,) = panel.plot(own["predicted"], own["observed"], **look)
        ratio = number(own["calibration"].iloc[0], 3)
        tip(line, f"{model_title(first['backbone'], method)}: predicted / observed clicks {ratio}")
    panel.set(xlim=(0.0, most), ylim=(0.0, most), ylabel="observed click rate")
    per_bin = int((rows["rows"] / rows["runs"]).median())
    panel.set_xlabel(f"predicted click rate, about {per_bin:,} test rows a point")
    panel.set_title(cut(f"{first['dataset']}, {name_of(first['backbone'])}", _LONGEST))


def notes(table: pd.DataFrame) -> list[str]:
    """The caption."""
    return [
        f"Observed against predicted click rate in {NUM_BINS} bins of equally many test rows, in"
        " the order of each run's own predictions; on the dashed line predictions are met.",
        f"Points are means over the runs ({counts_text(table['runs'])}), bin by bin; the CSV file"
        " has the rows and clicks of each, and the least and the greatest of the runs. A model"
        " above the line predicts too little there, below it too much. Order alone, which AUC"
        " measures, says nothing of it.",
        *draws_note(table),
        *left_out(table),
    ]


FIGURE = Figure(
    title="Reliability of the predicted click rates",
    section="evidence",
    position=65,
    study="main",
    is_folded=True,
    tabulate=tabulate,
    draw=draw,
    notes=notes,
)
