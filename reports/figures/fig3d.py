"""AUC and GAUC against the sparsity that AdaSparse reaches (after AdaSparse, figure 3d)."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from benchmark.config import OWN
from benchmark.metrics import SCORES
from reports.analysis.differences import with_intervals
from reports.analysis.sparsity import TOLERANCE, compared_by_sparsity, layers_of
from reports.look.panels import (
    GAP_NOTE,
    add_legend,
    counts_text,
    draw_baseline,
    draw_intervals,
    has_values,
    left_out,
    metric_rows,
    shades,
    with_room,
)
from reports.look.part import Figure, draws_note
from reports.look.style import look_of
from reports.reading.keys import CELL
from reports.reading.load import Runs
from reports.reading.names import BASELINE
from reports.statistics.paired_tests import ENDS

_METRICS = ("auc", "gauc")
_HEIGHT = 2.4  # inches
_THIN = 0.8
_LEAST_GAP = 0.07  # of the width, between ticks
_MARKERS = "osD^vP<X>h"  # by rising bounds, as the colours


def tabulate(runs: Runs) -> pd.DataFrame:
    """The finished cells of the table of bounds, with the interval around each score.

    `sparsity_mean`, `_low` and `_high` are the mean, the least and the greatest of the layers.
    """
    table = compared_by_sparsity(runs, "sparsity")
    if table.empty or not layers_of(table):
        return table.iloc[:0]
    layers = table[[f"{layer}_sparsity" for layer in layers_of(table)]]
    reached = {"mean": layers.mean(axis=1), "low": layers.min(axis=1), "high": layers.max(axis=1)}
    table = table.assign(**{f"sparsity_{part}": values for part, values in reached.items()})
    numbers = [f"{name}_{end}" for name in ("sparsity", *_METRICS) for end in ENDS]
    columns = [*CELL, "r_min", "r_max", "layers", "layers_in_band", "runs", "draws", *numbers]
    return with_intervals(table, runs.study("sparsity"), _METRICS)[columns]


def draw(table: pd.DataFrame) -> Canvas:
    """A panel per metric; a point per pair of bounds, the plain backbone as a line."""
    canvas, rows = metric_rows(table, _METRICS, _HEIGHT, has_values)
    looks = _looks(table)
    for panels, own in rows:
        for metric, panel in panels.items():
            _draw_panel(panel, own, metric, looks)
    add_legend(canvas, [BASELINE], "bounds of the sparsity ratio")
    return canvas


def _looks(table: pd.DataFrame) -> dict[tuple[float, float], dict[str, Any]]:
    """Colour, marker and label of each pair of bounds."""
    pairs = sorted(set(table[["r_min", "r_max"]].dropna().itertuples(index=False, name=None)))
    return {
        (low, high): {
            "color": colour,
            "marker": _MARKERS[number % len(_MARKERS)],
            "label": f"[{low:g}, {high:g}]",
        }
        for number, ((low, high), colour) in enumerate(zip(pairs, shades(len(pairs)), strict=True))
    }


def _draw_panel(
    panel: Axes, rows: pd.DataFrame, metric: str, looks: dict[tuple[float, float], dict[str, Any]]
) -> None:
    draw_baseline(panel, rows, metric)
    points = rows[rows["sparsity_mean"].notna()].sort_values("sparsity_mean")
    for (low, high), look in looks.items():
        own = points[(points["r_min"] == low) & (points["r_max"] == high)]
        style: dict[str, Any] = {**look, "linestyle": "none", "zorder": 3}
        draw_intervals(panel, own["sparsity_mean"], own, metric, style)
        ends = own["sparsity_low"], own["sparsity_high"]
        panel.hlines(own[f"{metric}_mean"], *ends, color=look["color"], linewidth=_THIN)
    grey: dict[str, Any] = {"color": "#777777", "linewidth": _THIN}
    panel.plot(
        points["sparsity_mean"], points[f"{metric}_mean"], **grey, label=look_of(OWN)["label"]
    )
    if len(points):
        spread = points["sparsity_high"].max() - points["sparsity_low"].min()
        ticks = with_room(
            points["sparsity_mean"], lambda low, high: high - low >= _LEAST_GAP * spread
        )
        panel.set_xticks(ticks)
        panel.xaxis.set_major_formatter("{x:.2f}")
    panel.set_xlabel("sparsity reached on test, mean of the layers")
    panel.set_ylabel(f"test {SCORES[metric].title}")


def notes(table: pd.DataFrame) -> list[str]:
    """The caption."""
    pruned = table[table["layers"].notna()]
    num_inside = int((pruned["layers_in_band"] == pruned["layers"]).sum())
    return [
        "Each point is AdaSparse trained with the bounds [r_min, r_max] of the legend, all else as"
        " in the main cell, over the share of neurons that it prunes on the test rows: mean of the"
        " layers, horizontal bars from the layer that prunes least to the one that prunes most."
        f" With {num_inside} of {len(pruned)} bounds all layers lie within {TOLERANCE} of them.",
        f"Means over the runs ({counts_text(table['runs'])}); dashed: the plain backbone, which"
        f" prunes nothing. Vertical bars: {GAP_NOTE}",
        "The paper finds that quality first rises, then falls with the sparsity, and that [0.35,"
        " 0.4] still has almost the quality of the plain backbone.",
        *draws_note(table),
        *left_out(table),
    ]


FIGURE = Figure(
    title="Quality against the sparsity ratio",
    section="methods",
    position=40,
    study="sparsity",
    tabulate=tabulate,
    draw=draw,
    notes=notes,
)
