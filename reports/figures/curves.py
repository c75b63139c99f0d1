"""Training curves: dev AUC and loss of every method, and what AdaSparse's pruner does meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray

from benchmark.config import OWN
from reports.look.panels import add_legend, block_rows, counts_text, left_out, shades
from reports.look.part import Figure
from reports.look.style import in_order, look_of
from reports.reading.keys import MODEL, Cell
from reports.reading.load import Runs

_SCORES = {"auc": "dev AUC", "loss": "dev LogLoss"}
_SCHEDULES: dict[str, dict[str, Any]] = {
    "alpha": {
        "label": "\N{GREEK SMALL LETTER ALPHA} of AdaSparse",
        "color": "#0072b2",
        "marker": ".",
    },
    "penalty_weight": {
        "label": "\N{GREEK SMALL LETTER LAMDA}\N{COMBINING CIRCUMFLEX ACCENT} of AdaSparse",
        "color": "#5e3c99",
        "marker": "x",
    },
}
_LAYER = "sparsity/"  # then its name
_BANDS = ("r_min", "r_max")
_HEIGHT = 2.1  # inches
_MOST_TICKS = 5
_RANGE: dict[str, Any] = {"alpha": 0.2, "linewidth": 0.0}


def tabulate(runs: Runs) -> pd.DataFrame:
    """One row per main model, evaluation and quantity: its mean and range over the runs.

    Draws of a log may differ by a few rows, and their evaluations by a step: `step` and `epoch` are
    those of the first run.

    Quantities are `auc` and `loss` on dev, and of AdaSparse `alpha`, `penalty_weight`,
    `sparsity/<layer>`, `r_min` and `r_max`. `runs` counts all runs of the model, `evaluated` those
    that still trained.
    """
    runs = runs.study("main")
    frames = [frame for cell in runs.cells if (frame := _history(cell)) is not None]
    if not frames:
        return pd.DataFrame()
    rows = pd.concat(frames, ignore_index=True)
    keys = [*MODEL, "evaluation", "quantity"]
    table = (
        rows.groupby(keys, sort=False)
        .agg(
            step=("step", "first"),
            epoch=("epoch", "first"),
            mean=("value", "mean"),
            low=("value", "min"),
            high=("value", "max"),
            evaluated=("value", "count"),
        )
        .reset_index()
    )
    counts = pd.Series([cell.key[:4] for cell in runs.cells if cell.record]).value_counts()
    table["runs"] = [counts[key] for key in table[MODEL].itertuples(index=False, name=None)]
    return runs.models[[*MODEL, "draws"]].merge(table, on=MODEL)


def _history(cell: Cell) -> pd.DataFrame | None:
    """Every dev evaluation of a finished run and every quantity, one per row."""
    if cell.record is None:
        return None
    history = pd.read_csv(cell.record.path / "history.csv")
    history = history[history["split"] == "dev"].assign(evaluation=lambda dev: range(len(dev)))
    wanted = list(_SCORES)
    if cell.config.method == OWN:
        band = cast("list[float]", cell.config.method_config["sparsity_bounds"])
        history = history.assign(**dict(zip(_BANDS, band, strict=True)))
        wanted += [
            *_SCHEDULES,
            *_BANDS,
            *(name for name in map(str, history) if name.startswith(_LAYER)),
        ]
    known = [name for name in wanted if name in history]
    rows = history.melt(["evaluation", "step", "epoch"], known, var_name="quantity")
    return rows.dropna().assign(**dict(zip(MODEL, cell.key, strict=False)))


def draw(table: pd.DataFrame) -> Canvas:
    """A row of panels per data set and backbone: AUC, loss, and the pruner's where there is one."""
    table = table[table["evaluated"] == table["runs"]]
    has_pruner = bool(table["quantity"].isin(_SCHEDULES).any())
    canvas, rows = block_rows(table, 4 if has_pruner else 2, _HEIGHT)
    methods = in_order(table["method"])
    for panels, own in rows:
        for panel, quantity in zip(panels, _SCORES, strict=False):
            for method in methods:
                is_own = (own["method"] == method) & (own["quantity"] == quantity)
                _draw_line(panel, own[is_own], look_of(method) | {"markersize": 3})
            panel.set_ylabel(_SCORES[quantity])
        if has_pruner:
            _draw_pruner(panels[2:], own[own["method"] == OWN])
        for panel in panels:
            panel.set_xlabel("epoch")
            _set_ticks(panel, own["epoch"])
        panels[0].fill_between([], [], [], color="#777777", label="range over the runs", **_RANGE)
    add_legend(canvas, methods)
    return canvas


def _set_ticks(panel: Axes, epochs: pd.Series) -> None:
    """A tick at each evaluation, or at whole epochs where there are many."""
    places = sorted(set(epochs))
    if len(places) <= _MOST_TICKS:
        panel.set_xticks(places, [f"{place:.2g}" for place in places])
    else:
        panel.xaxis.set_major_locator(MaxNLocator(4, integer=True))


def _draw_line(panel: Axes, rows: pd.DataFrame, style: Mapping[str, Any]) -> None:
    """A mean by epoch and its range over the runs."""
    panel.plot(rows["epoch"], rows["mean"], **style)
    panel.fill_between(rows["epoch"], rows["low"], rows["high"], color=style["color"], **_RANGE)


def _draw_pruner(panels: NDArray[Any], rows: pd.DataFrame) -> None:
    """Draw schedules and sparsity; nothing where the backbone has no finished AdaSparse."""
    if rows.empty:
        for panel in panels:
            panel.set_axis_off()
        return
    schedules, sparsity = panels
    _draw_schedules(schedules, rows)
    _draw_sparsity(sparsity, rows)


def _draw_schedules(panel: Axes, rows: pd.DataFrame) -> None:
    for quantity, style in _SCHEDULES.items():
        _draw_line(panel, rows[rows["quantity"] == quantity], style)
    panel.set_yscale("log")
    panel.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    panel.yaxis.set_major_formatter("{x:g}")
    panel.yaxis.set_minor_locator(NullLocator())
    symbols = [style["label"].split()[0] for style in _SCHEDULES.values()]
    panel.set_ylabel(f"AdaSparse's {', '.join(symbols)} (log)")


def _draw_sparsity(panel: Axes, rows: pd.DataFrame) -> None:
    """A line per layer, and the band that training aims at."""
    edges = [rows.loc[rows["quantity"] == name, "mean"] for name in _BANDS]
    if all(len(edge) for edge in edges):
        low, high = (float(edge.iloc[0]) for edge in edges)
        panel.axhspan(low, high, color="#b0b0b0", alpha=0.5, label=f"band [{low:g}, {high:g}]")
    layers = sorted(name for name in set(rows["quantity"]) if name.startswith(_LAYER))
    for layer, colour in zip(layers, shades(len(layers)), strict=True):
        style: dict[str, Any] = {"color": colour, "label": layer.removeprefix(_LAYER)}
        _draw_line(panel, rows[rows["quantity"] == layer], style | {"marker": "."})
    panel.set_ylim(bottom=0.0)
    panel.set_ylabel("AdaSparse's pruned share")


def notes(table: pd.DataFrame) -> list[str]:
    """The caption."""
    stopped = table[table["evaluated"] < table["runs"]]
    return [
        "Scores on dev at every evaluation, not those of the epoch that is kept: mean over the"
        f" runs ({counts_text(table['runs'])}) and, shaded, their range.",
        "AdaSparse: the temperature alpha, the weight lambda-hat of the sparsity penalty, and the"
        " share of pruned neurons of each layer, layer0 being the input x_0; the grey band is"
        " [r_min, r_max], at which training aims.",
        *(
            [
                "Curves end where the first run stopped early; the CSV file has the later"
                f" evaluations of {len(stopped[MODEL].drop_duplicates())} models."
            ]
            if len(stopped)
            else []
        ),
        *left_out(table),
    ]


FIGURE = Figure(
    title="Training curves",
    section="methods",
    position=70,
    is_folded=True,
    study="main",
    tabulate=tabulate,
    draw=draw,
    notes=notes,
)
