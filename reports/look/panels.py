"""Parts and rows of panels per data set and backbone, legends, and logarithmic axes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.figure import SubFigure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray

from reports.look.style import PAGE, in_order, look_of
from reports.reading.keys import BLOCK
from reports.reading.names import BASELINE, block_title

MOST_BLOCKS = 4  # that fit on a printed page
LEGEND_HEIGHT = 0.3  # inches
LEGEND_COLUMNS = 7
GAP_NOTE = (
    "the 95% t interval of the difference to the plain backbone, run by run over the seeds of a log"
    " that was drawn once, or over the draws, drawn around the model's own mean, and not corrected"
    " for the number of comparisons. Where it does not reach the plain backbone's mean, the two"
    " differ. Over seeds it holds the noise of training, not that of the test rows. One seed has"
    " none."
)
_SUFFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
_MOST_DECADES = 3  # with ticks at 3, 30, 300 too
_LONGEST = 105  # characters that a page is wide
_MOST_REACH = 4.0  # medians: what of an interval is further from its mean is cut
_LEAST_ROOM = 1.25  # factor beyond the values, which may all be equal


def titled_parts(
    titles: Sequence[str], heights: Sequence[float], below: float = 0.0
) -> tuple[Canvas, Sequence[SubFigure]]:
    """A canvas as wide as a page with a titled part of each height, and room below, in inches."""
    canvas = Canvas(figsize=(PAGE, sum(heights) + below), layout="constrained")
    parts = [*canvas.subfigures(len(titles), 1, squeeze=False, height_ratios=heights)[:, 0]]
    for part, title in zip(parts, titles, strict=True):
        part.suptitle(cut(title, _LONGEST), x=0.01, ha="left", fontsize="medium")
    return canvas, parts


def cut(text: str, most: int) -> str:
    """The beginning of a text on one line, with an ellipsis where it is longer than `most`."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "\N{HORIZONTAL ELLIPSIS}"


def block_parts(
    table: pd.DataFrame, height: float
) -> tuple[Canvas, list[tuple[SubFigure, pd.DataFrame]]]:
    """A canvas with a titled part per block of a table, and each part with its numbers."""
    blocks = [own for _, own in table.groupby(BLOCK, sort=False)][:MOST_BLOCKS]
    titles = [block_title(own.iloc[0]) for own in blocks]
    canvas, parts = titled_parts(titles, [height] * len(blocks), LEGEND_HEIGHT)
    return canvas, list(zip(parts, blocks, strict=True))


def block_rows(
    table: pd.DataFrame, columns: int, height: float
) -> tuple[Canvas, list[tuple[NDArray[Any], pd.DataFrame]]]:
    """A canvas with a titled row of panels per block of a table, and each row with its numbers."""
    canvas, parts = block_parts(table, height)
    return canvas, [(part.subplots(1, columns, squeeze=False)[0], own) for part, own in parts]


def metric_rows(
    table: pd.DataFrame,
    metrics: Sequence[str],
    height: float,
    has_values: Callable[[pd.DataFrame, str], bool],
) -> tuple[Canvas, list[tuple[dict[str, Axes], pd.DataFrame]]]:
    """As `block_rows`, a panel for each metric of which the block has values, by metric."""
    canvas, parts = block_parts(table, height)
    rows = []
    for part, own in parts:
        known = [metric for metric in metrics if has_values(own, metric)] or [metrics[0]]
        panels = part.subplots(1, len(known), squeeze=False)[0]
        rows.append((dict(zip(known, panels, strict=True)), own))
    return canvas, rows


def has_values(rows: pd.DataFrame, metric: str) -> bool:
    """True of a metric with a mean in any row, in the column `<metric>_mean`."""
    return bool(rows[f"{metric}_mean"].notna().any())


def left_out(table: pd.DataFrame) -> list[str]:
    """The sentence about blocks that are not drawn, where there are any."""
    num_blocks = len(table[BLOCK].drop_duplicates())
    if num_blocks <= MOST_BLOCKS:
        return []
    return [
        f"Drawn are the first {MOST_BLOCKS} of {num_blocks} data sets with backbones; the CSV file"
        " has all."
    ]


def counts_text(counts: Iterable[int]) -> str:
    """`3`, or `2 to 3` where counts differ."""
    different = sorted({int(count) for count in counts})
    if len(different) == 1:
        return str(different[0])
    return f"{different[0]} to {different[-1]}"


def draw_intervals(
    panel: Axes,
    x: Iterable[float],
    rows: pd.DataFrame,
    name: str,
    style: Mapping[str, Any],
    *,
    unit: float = 1.0,
) -> Line2D:
    """Means of `<name>` in a unit at positions x, each with its interval where that is defined.

    The line of the means is returned.
    """
    mean, low, high = (rows[f"{name}_{end}"] / unit for end in ("mean", "low", "high"))
    reach = [mean - low, high - mean]
    has_any = reach[0].notna().any()
    errors: dict[str, Any] = {"yerr": reach, "elinewidth": 0.8} if has_any else {}
    return panel.errorbar(list(x), mean, **errors, **style).lines[0]


def draw_baseline(panel: Axes, rows: pd.DataFrame, name: str) -> None:
    """A line across the panel at the mean of the plain backbone."""
    look = look_of(BASELINE)
    for mean in rows.loc[rows["method"] == BASELINE, f"{name}_mean"].head(1):
        panel.axhline(mean, color=look["color"], linestyle="--", label=look["label"])


def near_ends(mean: pd.Series, low: pd.Series, high: pd.Series) -> tuple[pd.Series, pd.Series]:
    """The ends of intervals as far as an axis has to show them; undefined ones are the mean.

    An end is no further from its mean than some times the median of all.
    """
    reach = pd.concat([mean - low, high - mean])
    most = _MOST_REACH * reach[reach > 0.0].median()
    below, above = ((end - mean).abs().clip(upper=most).fillna(0.0) for end in (low, high))
    return mean - below, mean + above


def mark_cut(panel: Axes, axis: Literal["x", "y"], rows: pd.DataFrame, at: str, name: str) -> None:
    """Arrows where the intervals of `<name>` leave the panel along an axis.

    Rows have a `method`, `at` names their place on the other axis.
    """
    lower, upper = panel.get_xlim() if axis == "x" else panel.get_ylim()
    arrows = "<>" if axis == "x" else "v^"
    for row in rows.to_dict("records"):
        cuts = ((row[f"{name}_low"] < lower, lower), (row[f"{name}_high"] > upper, upper))
        for (is_cut, end), arrow in zip(cuts, arrows, strict=True):
            if is_cut:
                point = (end, row[at]) if axis == "x" else (row[at], end)
                colour = look_of(row["method"])["color"]
                panel.plot(*point, color=colour, marker=arrow, markersize=3.5, clip_on=False)


def with_room(values: Iterable[float], are_apart: Callable[[float, float], bool]) -> list[float]:
    """Values for ticks in rising order: from the greatest down those apart from the one above."""
    ticks: list[float] = []
    for value in sorted(set(values), reverse=True):
        if not ticks or are_apart(value, ticks[-1]):
            ticks.append(value)
    return ticks[::-1]


def shades(num: int) -> list[tuple[float, ...]]:
    """So many colours from dark to light, but for those that can hardly be seen on white."""
    return [tuple(colour) for colour in mpl.colormaps["viridis"](np.linspace(0.0, 0.85, num))]


def bin_labels(rows: pd.DataFrame) -> dict[int, str]:
    """The bins of a block by number, in words: each with its domains and its test rows."""
    bins = rows.drop_duplicates("bin").sort_values("bin").to_dict("records")
    return {b["bin"]: f"BIN{b['bin']}\n{b['domains']:,}\n{b['test_rows']:,}" for b in bins}


def add_legend(canvas: Canvas, methods: Iterable[str], title: str = "") -> None:
    """One entry per label below all panels: methods in the order of tables, then all others."""
    found = dict(_labelled(canvas))
    first = [look_of(method)["label"] for method in in_order(methods)]
    order = [*dict.fromkeys([*(label for label in first if label in found), *found])]
    if order:
        place: dict[str, Any] = {"loc": "outside lower center", "ncols": LEGEND_COLUMNS}
        canvas.legend([found[label] for label in order], order, title=title or None, **place)


def add_swatches(panel: Axes, colours: Mapping[str, str]) -> None:
    """Entries of the legend for the colours of areas, by their labels."""
    limits = panel.get_xlim(), panel.get_ylim()
    for label, colour in colours.items():
        panel.plot([], [], "s", color=colour, label=label)
    panel.set(xlim=limits[0], ylim=limits[1])


def _labelled(canvas: Canvas) -> Iterator[tuple[str, Any]]:
    for panel in canvas.axes:
        handles, labels = panel.get_legend_handles_labels()
        yield from zip(labels, handles, strict=True)


def fit_log_axis(panel: Axes, name: Literal["x", "y"], values: pd.Series) -> None:
    """Show these positive values with some room, and a few ticks however far they spread."""
    low, high = float(values.min()), float(values.max())
    room = max((high / low) ** 0.12, _LEAST_ROOM)
    low, high = low / room, high * room
    subs = (1.0, 3.0) if high < 10.0**_MOST_DECADES * low else (1.0,)
    is_wide = high > 10.0 * low
    panel.set(**{f"{name}scale": "log", f"{name}lim": (low, high)})
    axis = panel.xaxis if name == "x" else panel.yaxis
    axis.set_major_locator(
        LogLocator(subs=subs, numticks=6) if is_wide else MaxNLocator(3, steps=[1, 2, 5])
    )
    axis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    axis.set_minor_locator(NullLocator())


def short(value: float) -> str:
    """A number with few characters."""
    factor, suffix = next((pair for pair in _SUFFIXES if value >= pair[0]), (1.0, ""))
    return f"{value / factor:g}{suffix}"
