"""Parts of gains: what of each method's gain is domain awareness, and what its capacity alone."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from benchmark.metrics import SCORES
from reports.claims.awareness import METRICS, PARTS, WORDS, tabulate
from reports.look.panels import block_rows, counts_text, left_out
from reports.look.part import Figure, draws_note
from reports.look.style import in_order, look_of
from reports.look.table import interval_text
from reports.look.tooltips import tip
from reports.look.units import units_text
from reports.reading.keys import BLOCK
from reports.reading.names import model_title

_ROW = 0.135  # inches, of one part of a method
_FRAME = 0.75  # inches, for the title and the axis of a panel
_GAP = 0.8  # rows between methods
_STYLES: dict[str, dict[str, Any]] = {
    "gain": {"elinewidth": 1.6, "markersize": 6.5},
    "awareness": {"elinewidth": 0.9, "markersize": 5.5},
    "capacity": {"elinewidth": 0.9, "markersize": 5.5, "markerfacecolor": "white"},
}


def draw(table: pd.DataFrame) -> Canvas:
    """Per data set and backbone a panel for AUC and one for GAUC, three marks per method."""
    most = table.groupby(BLOCK)["method"].nunique().max()
    height = _FRAME + _ROW * most * (len(PARTS) + _GAP)
    canvas, blocks = block_rows(table, len(METRICS), height)
    for panels, block in blocks:
        methods = in_order(block["method"])
        for panel, metric in zip(panels, METRICS, strict=True):
            one, rows = SCORES[metric], block[block["metric"] == metric].set_index("method")
            _draw_panel(panel, rows.loc[methods], one.difference_unit)
            panel.set_xlabel(f"Difference in {one.title}, in {units_text([one])}")
        panels[1].tick_params(axis="y", labelleft=False)
    return canvas


def _draw_panel(panel: Axes, rows: pd.DataFrame, unit: float) -> None:
    """The parts of the gain of each method in a unit, from the top down."""
    places, names = [], []
    for index, (method, row) in enumerate(rows.iterrows()):
        look = look_of(str(method))
        label = look.pop("label")
        for part, name in enumerate(PARTS):
            place, words = index * (len(PARTS) + _GAP) + part, WORDS.get(name, name)
            mean, low, high = (row[f"{name}_{end}"] / unit for end in ("mean", "low", "high"))
            style: dict[str, Any] = look | _STYLES[name]
            style |= {"xerr": [[mean - low], [high - mean]]} if low < high else {}
            drawn = panel.errorbar([mean], [place], linestyle="none", **style)
            amount = interval_text(row.to_dict(), name, 1, unit=unit)
            tip(drawn.lines[0], f"{model_title(row['backbone'], str(method))}, {words}: {amount}")
            places.append(place)
            names.append(f"{label} gain" if name == "gain" else words)
    panel.axvline(0.0, color="#555555", linewidth=0.8, zorder=0)
    panel.set_yticks(places, names)
    panel.invert_yaxis()
    panel.grid(visible=False, axis="y")


def notes(table: pd.DataFrame) -> list[str]:
    """The caption."""
    return [
        "Each method's gain over the plain backbone on test, and its parts: domain awareness, what"
        " it has more than its placebo, and capacity (hollow), what the placebo has more than the"
        " plain backbone. Means and 95% intervals as in the table awareness, over the runs"
        f" ({counts_text(table['runs'])}).",
        *draws_note(table),
        *left_out(table),
    ]


FIGURE = Figure(
    title="Domain awareness and capacity in each method's gain",
    section="result",
    position=30,
    study="controls",
    tabulate=tabulate,
    draw=draw,
    notes=notes,
)
