"""Quality against cost: test AUC and GAUC over parameters, multiply-adds and latency."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.figure import SubFigure
from numpy.typing import NDArray

from benchmark.metrics import SCORES
from reports.analysis.differences import interval_around
from reports.look.panels import (
    GAP_NOTE,
    add_legend,
    block_parts,
    counts_text,
    fit_log_axis,
    left_out,
    mark_cut,
    near_ends,
)
from reports.look.part import Figure, draws_note
from reports.look.style import look_of
from reports.look.table import interval_text, number
from reports.look.tooltips import tip
from reports.reading.clock import LATENCY_NOTE
from reports.reading.keys import BLOCK, CELL, MODEL, REPLICATE
from reports.reading.load import Runs
from reports.reading.names import BASELINE, model_title, networks

_QUALITIES = ("auc", "gauc")
_COSTS = {
    "parameters": "Parameters",
    "multiply_adds": "Multiply-adds of a row",
    "latency_batch1_p50_milliseconds": "1 row, ms (p50)",
    "latency_batch256_p50_milliseconds": "256 rows, ms (p50)",
}
_HEIGHT = 2.6  # inches, of the panels of a backbone
_WHOLE = 100.0  # from here on costs have no digits after the point
_ROOM = 0.06  # of the values, above and below them


def tabulate(runs: Runs) -> pd.DataFrame:
    """One row per model, quality and cost that are known, the models of one panel together.

    `quality_mean` has the interval of `interval_around`, `cost_mean` the least and greatest run.
    `is_efficient` says that no model of the panel is at least as good at no more cost.
    """
    runs = runs.study("main", "cost")
    scores = runs.metrics()
    if scores.empty:
        return pd.DataFrame()
    costs = runs.costs().reindex(columns=["served_parameters", "embedding_parameters", *_COSTS])
    costs["parameters"] = costs.pop("served_parameters") - costs.pop("embedding_parameters")
    known = networks(scores[[*CELL, *REPLICATE, *_QUALITIES]].join(costs))
    rows = [
        {name: cell[name] for name in MODEL} | row
        for key, own in known.groupby(CELL, sort=False)
        for cell in [dict(zip(CELL, key, strict=True))]
        for row in _rows(known, cell, own)
    ]
    if not rows:
        return pd.DataFrame()
    table = runs.models[[*MODEL, "draws"]].merge(pd.DataFrame(rows), on=MODEL)
    groups = table.groupby([*BLOCK, "quality", "cost"], sort=False)
    for _, index in groups.groups.items():
        means = table.loc[index, ["cost_mean", "quality_mean"]].to_numpy(np.float64)
        table.loc[index, "is_efficient"] = efficient(means[:, 0], means[:, 1])
    return table


def _rows(
    known: pd.DataFrame, cell: dict[str, object], own: pd.DataFrame
) -> list[dict[str, object]]:
    """Every quality with every cost of one model; undefined ones are left out."""
    return [
        {"quality": quality, "cost": cost, "runs": len(own)}
        | interval_around(known, cell, quality).named("quality")
        | {"cost_mean": own[cost].mean(), "cost_low": own[cost].min(), "cost_high": own[cost].max()}
        for quality in _QUALITIES
        for cost in _COSTS
        if own[quality].notna().all() and own[cost].notna().any()
    ]


def efficient(cost: NDArray[np.float64], quality: NDArray[np.float64]) -> NDArray[np.bool_]:
    """True of models (M,) that no other dominates: less cost or more quality, and neither worse."""
    is_as_cheap = cost[:, np.newaxis] <= cost
    is_as_good = quality[:, np.newaxis] >= quality
    differs = (cost[:, np.newaxis] != cost) | (quality[:, np.newaxis] != quality)
    return ~(is_as_cheap & is_as_good & differs).any(axis=0)


def draw(table: pd.DataFrame) -> Canvas:
    """Two rows of panels, AUC and GAUC, per data set and backbone; a column per cost."""
    canvas, parts = block_parts(table, _HEIGHT)
    for part, group in parts:
        _draw_block(part, group)
    add_legend(canvas, table["method"])
    return canvas


def _draw_block(part: SubFigure, group: pd.DataFrame) -> None:
    """The panels of a backbone; what no model has gets none."""
    qualities, costs = (
        [value for value in values if (group[name] == value).any()]
        for name, values in (("quality", _QUALITIES), ("cost", _COSTS))
    )
    axes = part.subplots(len(qualities), len(costs), sharex="col", sharey="row", squeeze=False)
    of_panel = dict(zip(product(qualities, costs), axes.flat, strict=True))
    for (quality, cost), panel in of_panel.items():
        _draw_panel(panel, group[(group["quality"] == quality) & (group["cost"] == cost)])
    for row, quality in zip(axes, qualities, strict=True):
        low, high = near_ends(*_ends(group[group["quality"] == quality], "quality"))
        room = _ROOM * ((high.max() - low.min()) or 1.0)
        row[0].set(
            ylabel=f"Test {SCORES[quality].title}", ylim=(low.min() - room, high.max() + room)
        )
    for panel, cost in zip(axes[-1], costs, strict=True):
        panel.set_xlabel(_COSTS[cost])
        mean, low, high = (end.map(math.log) for end in _ends(group[group["cost"] == cost], "cost"))
        fit_log_axis(panel, "x", pd.concat(near_ends(mean, low, high)).map(math.exp))
    for (quality, cost), panel in of_panel.items():
        own = group[(group["quality"] == quality) & (group["cost"] == cost)]
        mark_cut(panel, "x", own, "quality_mean", "cost")
        mark_cut(panel, "y", own, "cost_mean", "quality")


def _ends(rows: pd.DataFrame, name: str) -> tuple[pd.Series, pd.Series, pd.Series]:
    return rows[f"{name}_mean"], rows[f"{name}_low"], rows[f"{name}_high"]


def _draw_panel(panel: Axes, models: pd.DataFrame) -> None:
    """Every model with its bars, and the stairs of the efficient ones."""
    front = models[models["is_efficient"].astype(bool)].sort_values("cost_mean")
    stairs: dict[str, Any] = {
        "drawstyle": "steps-post",
        "color": "#777777",
        "linestyle": "--",
        "linewidth": 0.8,
        "label": "not dominated",
    }
    if len(front) > 1:
        panel.plot(front["cost_mean"], front["quality_mean"], **stairs)
    for plain in models.loc[models["method"] == BASELINE, "quality_mean"]:
        level: dict[str, Any] = {"color": look_of(BASELINE)["color"], "linestyle": ":"}
        panel.axhline(plain, **level, linewidth=0.8, label="as good as plain")
    for row in models.to_dict("records"):
        style: dict[str, Any] = look_of(str(row["method"])) | {
            f"{axis}err": [[mean - low], [high - mean]]
            for axis, name in (("x", "cost"), ("y", "quality"))
            for mean, low, high in [(row[f"{name}_{end}"] for end in ("mean", "low", "high"))]
            if low < high
        }
        point = [row["cost_mean"]], [row["quality_mean"]]
        drawn = panel.errorbar(*point, linestyle="none", elinewidth=0.8, **style)
        tip(drawn.lines[0], _tip_text(row))


def _tip_text(row: Mapping[Hashable, Any]) -> str:
    """The model with its quality and interval, and its cost."""
    score = SCORES[row["quality"]]
    quality = interval_text(row, "quality", score.digits, signed=False)
    mean = row["cost_mean"]
    cost = f"{_COSTS[row['cost']]} {number(mean, 0 if mean >= _WHOLE else 2)}"
    return f"{model_title(row['backbone'], row['method'])}: {score.title} {quality}, {cost}"


def notes(table: pd.DataFrame) -> list[str]:
    """The caption."""
    runs = counts_text(table["runs"])
    return [
        f"Test AUC and GAUC against cost, log scale; points are means over the runs ({runs})."
        f" Dotted: the plain backbone. Vertical bars: {GAP_NOTE}",
        *draws_note(table),
        "Dashed: the models that no other one dominates by its means (at least as good at no more"
        " cost). Where intervals overlap, who is on the line may be chance. An arrow marks a bar"
        " that is far longer than the others and leaves the panel; the CSV file has its end.",
        "Parameters are those served outside the embedding table, with all copies that a method"
        " keeps per domain or task; multiply-adds those of one row's matrix products. The median"
        f" of a prediction is shown. {LATENCY_NOTE}",
        "Logistic regression and boosted trees have no counted multiply-adds and no latency, and"
        " are in Table 1 alone.",
        *left_out(table),
    ]


FIGURE = Figure(
    title="Quality against cost",
    section="cost",
    position=10,
    study="main, cost",
    tabulate=tabulate,
    draw=draw,
    notes=notes,
)
