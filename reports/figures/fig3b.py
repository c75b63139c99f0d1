"""Gain over the plain backbone from head to long-tail domains (after AdaSparse, figure 3b)."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from benchmark.metrics import SCORES
from reports.analysis.long_tail import INTERVAL_NOTE, METRICS, tabulate
from reports.look.panels import (
    add_legend,
    bin_labels,
    counts_text,
    draw_intervals,
    has_values,
    left_out,
    metric_rows,
)
from reports.look.part import Figure, draws_note
from reports.look.style import in_order, look_of
from reports.look.table import interval_text
from reports.look.tooltips import tip
from reports.look.units import units_text
from reports.reading.names import BASELINE, model_title
from reports.statistics.bins import BINS_NOTE

_UNITS = units_text(SCORES[name] for name in METRICS)
_HEIGHT = 2.5  # inches
_SPAN = 0.7  # of the place of a bin that its methods take


def draw(table: pd.DataFrame) -> Canvas:
    """A panel per metric; the methods stand beside each other in every bin."""
    canvas, rows = metric_rows(
        table, METRICS, _HEIGHT, lambda own, metric: has_values(own, f"{metric}_delta")
    )
    methods = in_order(table["method"])
    for panels, own in rows:
        for metric, panel in panels.items():
            _draw_panel(panel, own, metric, methods)
    add_legend(canvas, [BASELINE, *methods])
    return canvas


def _draw_panel(panel: Axes, rows: pd.DataFrame, metric: str, methods: list[str]) -> None:
    one, unit = SCORES[metric], SCORES[metric].difference_unit
    step = _SPAN / len(methods)
    for number, method in enumerate(methods):
        own = rows[(rows["method"] == method) & rows[f"{metric}_delta_mean"].notna()]
        shift = (number - (len(methods) - 1) / 2.0) * step
        style: dict[str, Any] = {**look_of(method), "linestyle": "none"}
        for place, row in enumerate(own.to_dict("records")):
            point = own.iloc[[place]]
            line = draw_intervals(
                panel, [row["bin"] + shift], point, f"{metric}_delta", style, unit=unit
            )
            gain = interval_text(row, f"{metric}_delta", 1, unit=unit)
            tip(line, f"{model_title(row['backbone'], method)}, BIN{row['bin']}: {gain}")
    labels = bin_labels(rows)
    panel.set_xticks([*labels], labels.values())
    panel.set_xlim(0.5, len(labels) + 0.5)
    panel.axhline(0.0, color="black", linewidth=0.8, label=look_of(BASELINE)["label"])
    panel.grid(visible=False, axis="x")
    panel.set_xlabel("bin, its domains, its test rows")
    panel.set_ylabel(f"test {one.title}, gain in {units_text([one])}")


def notes(table: pd.DataFrame) -> list[str]:
    """The caption."""
    return [
        f"Gain of each method over the plain backbone, in units of {_UNITS}: GAUC over the domains"
        " of a bin and AUC of all its rows, mean over the runs that both have"
        f" ({counts_text(table['pairs'])}). The line at 0 is the plain backbone. No point: the bin"
        " lacks a class, or the two have no draw and seed in common.",
        BINS_NOTE,
        *draws_note(table),
        INTERVAL_NOTE,
        "The paper finds that all methods gain on BIN1 to BIN3 and only AdaSparse and MAML on BIN4"
        " and BIN5. All methods are judged on the same domains, whichever of them they know.",
        *left_out(table),
    ]


FIGURE = Figure(
    title="Gain from head to long-tail domains",
    section="domains",
    position=10,
    study="main",
    tabulate=tabulate,
    draw=draw,
    notes=notes,
)
