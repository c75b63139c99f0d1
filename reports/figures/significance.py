"""Critical-difference diagram: average ranks of the methods (Demsar, 2006)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from scipy import stats

from benchmark.metrics import GAINS, SCORES
from benchmark.protocol import PRESETS
from reports.analysis.retuned import num_searches, search_notes
from reports.look.panels import add_legend
from reports.look.part import Figure
from reports.look.style import COLUMN, in_order, look_of, panels
from reports.look.table import number, p_value
from reports.reading.keys import DATA
from reports.reading.load import Runs
from reports.reading.names import name_of
from reports.statistics.paired_tests import TEST_LEVEL

_BLOCK = [*DATA, "draw", "backbone"]
_METRICS = GAINS | SCORES
_LEAST_BLOCKS = 3
_LEAST_FRIEDMAN = 3  # methods
_FIRST_NAME, _STEP = 1.1, 0.8  # below the axis, in lines
_BAR = "ranks that are not told apart"


def tabulate(runs: Runs) -> pd.DataFrame:
    """One row per metric and method: its `mean_rank` over `blocks`, 1 being the best.

    A block is a data set, one draw of it if it is generated, and a backbone. A method's value there
    is its mean over the seeds for which all methods with a finished run have the metric.
    `friedman_p` tests that all methods have one rank (nan below three methods),
    `critical_difference` is Nemenyi's; both are nan below three blocks. `searches` is how many each
    network had.
    """
    scores = runs.study("main").metrics()
    rows = [row for metric in _METRICS for row in _ranked(scores, metric)] if len(scores) else []
    if not rows:
        return pd.DataFrame()
    facts = {"searches": num_searches(runs), "has_verdicts": PRESETS[runs.preset].has_verdicts}
    return pd.DataFrame(rows).assign(**facts)


def _ranked(scores: pd.DataFrame, metric: str) -> list[dict[str, object]]:
    runs = scores.pivot_table(index=[*_BLOCK, "seed"], columns="method", values=metric).dropna()
    table = runs.groupby(_BLOCK, sort=False).mean()
    table = table[in_order(table.columns)]
    num_blocks, num_methods = table.shape
    if num_blocks == 0 or num_methods < 2:
        return []
    ranks = table.rank(axis=1, ascending=_METRICS[metric].lower_is_better).mean()
    is_enough = num_blocks >= _LEAST_BLOCKS
    tests = {
        "friedman_p": np.nan,
        "critical_difference": _nemenyi(num_methods, num_blocks) if is_enough else np.nan,
    }
    if is_enough and num_methods >= _LEAST_FRIEDMAN:
        tests["friedman_p"] = float(stats.friedmanchisquare(*table.to_numpy().T).pvalue)
    data_sets = table.index.to_frame()[DATA].drop_duplicates().shape[0]
    counts = {"blocks": num_blocks, "data_sets": data_sets}
    return [
        {"metric": metric, "method": method, "mean_rank": rank} | counts | tests
        for method, rank in ranks.items()
    ]


def _nemenyi(num_methods: int, num_blocks: int) -> float:
    """The difference of mean ranks that two of so many methods need (Demsar, equation 5)."""
    quantile = stats.studentized_range.ppf(1.0 - TEST_LEVEL, num_methods, np.inf) / np.sqrt(2.0)
    return float(quantile * np.sqrt(num_methods * (num_methods + 1) / (6.0 * num_blocks)))


def draw(table: pd.DataFrame) -> Canvas:
    """One diagram per metric, the best rank on the left."""
    groups = list(table.groupby("metric", sort=False))
    most = max(len(rows) for _, rows in groups)
    canvas = panels(len(groups), 1, width=COLUMN, height=1.05 + 0.11 * most)
    for axes, (metric, rows) in zip(canvas.axes, groups, strict=True):
        _diagram(axes, str(metric), rows.sort_values("mean_rank", kind="stable"))
    add_legend(canvas, [])
    return canvas


def _are_told_apart(row: pd.Series) -> bool:
    """True where pairs may be compared: Friedman rejects, or there are only two methods to test."""
    if np.isnan(row["critical_difference"]) or not row["has_verdicts"]:
        return False
    return row["methods"] < _LEAST_FRIEDMAN or row["friedman_p"] < TEST_LEVEL


def _diagram(axes: Axes, metric: str, rows: pd.DataFrame) -> None:
    """Ranks on an axis, names below it in two columns, bars over what is not told apart.

    Where Friedman's test does not reject there are neither bars nor a critical difference.
    """
    num, first = len(rows), rows.assign(methods=len(rows)).iloc[0]
    is_told = _are_told_apart(first)
    ranks, difference = rows["mean_rank"].to_numpy(), float(first["critical_difference"])
    bars = _cliques(ranks, difference) if is_told else []
    half = (num + 1) // 2
    top, margin = 1.3 + 0.4 * len(bars), 0.3 * (num - 1)
    for place, (method, rank) in enumerate(zip(rows["method"], ranks, strict=True)):
        is_left = place < half
        depth = _FIRST_NAME + _STEP * (place if is_left else num - 1 - place)
        end = 1.0 - margin / 4 if is_left else num + margin / 4
        look = look_of(method)
        axes.plot([rank, rank, end], [0.0, -depth, -depth], color=look["color"], linewidth=1.0)
        axes.plot(rank, 0.0, color=look["color"], marker=look["marker"], markersize=6.0, zorder=3)
        name = f"{look['label']} {number(rank, 2)}"
        side = "right" if is_left else "left"
        axes.text(end, -depth, f" {name} ", ha=side, va="center", fontsize=7)
    for level, (low, high) in enumerate(bars):
        height = 0.6 + 0.4 * level
        style: dict[str, Any] = {"color": "black", "linewidth": 2.5, "label": _BAR}
        axes.plot([low - 0.03, high + 0.03], [height] * 2, **style)
    if is_told:
        axes.plot([1.0, 1.0 + difference], [top - 0.4] * 2, color="#555555", marker="|")
        label = f"CD {number(difference, 2)}  "
        axes.text(1.0, top - 0.4, label, ha="right", va="center", fontsize=7)
    axes.set_title(_title(metric, first, is_told=is_told))
    _dress(axes, num, margin, (-_FIRST_NAME - _STEP * (half - 0.5), top))


def _title(metric: str, row: pd.Series, *, is_told: bool) -> str:
    """The metric, the blocks and the test, and below them that no ranks are told apart."""
    text = p_value(row["friedman_p"])
    sign = "" if text.startswith("<") else "= "
    test = "" if np.isnan(row["friedman_p"]) else f", Friedman p {sign}{text}"
    title = f"Mean rank by {_METRICS[metric].title}, {row['blocks']} blocks{test}"
    return title if is_told else f"{title}\nno ranks are told apart"


def _dress(axes: Axes, num: int, margin: float, heights: tuple[float, float]) -> None:
    """A scale of ranks on top and nothing else."""
    axes.set_xlim(1.0 - 2.2 * margin, num + 2.2 * margin)
    axes.set_ylim(*heights)
    axes.grid(visible=False)
    axes.set_yticks([])
    axes.set_xticks(range(1, num + 1))
    axes.xaxis.tick_top()
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.axhline(0.0, color="#888888", linewidth=0.6, zorder=0)


def _cliques(ranks: np.ndarray, difference: float) -> list[tuple[float, float]]:
    """The widest runs of ascending ranks whose ends differ by less than the critical difference."""
    found: list[tuple[float, float]] = []
    for low in ranks:
        high = float(ranks[ranks - low < difference].max(initial=low))
        if high > low and (not found or high > found[-1][1]):
            found.append((float(low), high))
    return found


def notes(table: pd.DataFrame) -> list[str]:
    """The caption: ranks, blocks, and what the bars say."""
    first = table.iloc[0]
    lines = [
        "Mean rank of each method on the test split, 1 being the best, over blocks. A block is a"
        " data set or one draw of it, and a backbone; ranks are those of the means over the seeds"
        f" that all methods finished. {first['blocks']} blocks of {first['data_sets']} data set(s)"
        f" for {_METRICS[first['metric']].title}. Methods:"
        f" {', '.join(name_of(name) for name in in_order(table['method']))}.",
        *search_notes(table, is_contained=False),
    ]
    if not first["has_verdicts"]:
        lines.append("The preset is too small for any word on which ranks differ.")
        return lines
    if np.isnan(first["critical_difference"]):
        lines.append(
            f"Fewer than {_LEAST_BLOCKS} blocks: too few for a critical difference, so nothing is"
            " said about which ranks differ."
        )
        return lines
    lines.append(
        "CD is Nemenyi's critical difference at the level 0.05 for all pairs of methods (Demsar,"
        " 2006); a black bar joins methods whose mean ranks differ by less."
        + (
            " Friedman's test needs three methods."
            if np.isnan(first["friedman_p"])
            else " Where Friedman's test of equal ranks is not significant, no pair is, and neither"
            " CD nor bars are drawn."
        )
    )
    lines.append(
        "The test asks for independent data sets. Backbones on one log are not, and draws of a"
        " generated log are data sets of one kind, so that this is a description of these runs and"
        " no evidence about other data."
    )
    return lines


FIGURE = Figure(
    title="Mean ranks and critical difference",
    section="evidence",
    position=20,
    is_folded=True,
    study="main",
    tabulate=tabulate,
    draw=draw,
    notes=notes,
)
