"""AUC and GAUC with ever more domains as the partition is refined (after AdaSparse, figure 3c)."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import NullLocator

from benchmark.metrics import SCORES
from reports.analysis import partitions
from reports.analysis.differences import with_intervals
from reports.look.panels import (
    GAP_NOTE,
    add_legend,
    counts_text,
    draw_baseline,
    draw_intervals,
    has_values,
    left_out,
    metric_rows,
    with_room,
)
from reports.look.part import Figure, draws_note
from reports.look.style import in_order, look_of
from reports.reading.keys import CELL, DATA
from reports.reading.load import Runs
from reports.reading.names import BASELINE, data_title, joined
from reports.statistics.paired_tests import ENDS

_METRICS = ("auc", "gauc")
_HEIGHT = 2.4  # inches
_SHIFT = 1.015  # factor between the positions of methods, so that their intervals do not overlap
_LEAST_GAP = 1.15  # factor between labelled numbers of domains


def tabulate(runs: Runs) -> pd.DataFrame:
    """The finished cells of the table of partitions, with the interval around each score."""
    table = partitions.tabulate(runs)
    if table.empty:
        return table
    numbers = [f"{metric}_{end}" for metric in _METRICS for end in ENDS]
    columns = [*CELL, "domain_columns", "num_columns", "num_domains", "runs", "draws", *numbers]
    return with_intervals(table, runs.study("partitions"), _METRICS)[columns]


def draw(table: pd.DataFrame) -> Canvas:
    """A panel per metric; a line per method, the plain backbone dashed."""
    canvas, rows = metric_rows(table, _METRICS, _HEIGHT, has_values)
    methods = in_order(table["method"])
    for panels, own in rows:
        for metric, panel in panels.items():
            _draw_panel(panel, own, metric, methods)
    add_legend(canvas, methods)
    return canvas


def _draw_panel(panel: Axes, rows: pd.DataFrame, metric: str, methods: list[str]) -> None:
    others = [method for method in methods if method != BASELINE]
    draw_baseline(panel, rows, metric)
    for number, method in enumerate(others):
        own = rows[rows["method"] == method].sort_values("num_columns")
        shift = _SHIFT ** (number - (len(others) - 1) / 2.0)
        draw_intervals(panel, own["num_domains"] * shift, own, metric, look_of(method))
    panel.set_xscale("log")
    ticks = with_room(rows["num_domains"], lambda low, high: low * _LEAST_GAP <= high)
    panel.set_xticks(ticks)
    panel.xaxis.set_major_formatter("{x:,.0f}")
    panel.xaxis.set_minor_locator(NullLocator())
    panel.set_xlabel("number of domains in train (log scale)")
    panel.set_ylabel(f"test {SCORES[metric].title}")


def notes(table: pd.DataFrame) -> list[str]:
    """The caption."""
    return [
        "What methods take for domains, from the joint values of one column to those of all: "
        + "; ".join(_steps(own) for _, own in table.groupby(DATA, sort=False))
        + ". Rows, input features and the domains that GAUC groups by are the same at every point.",
        f"Points are means over the runs ({counts_text(table['runs'])}); dashed: the plain"
        " backbone, to which the columns are ordinary inputs. Points of one number of domains are"
        " moved apart; numbers without room have no label.",
        f"Bars: {GAP_NOTE}",
        "The paper finds STAR slightly ahead of AdaSparse with few domains and behind with many,"
        " and that too fine a partition is harmful.",
        *draws_note(table),
        *left_out(table),
    ]


def _steps(rows: pd.DataFrame) -> str:
    """The steps of a log in words: `world: 10 (scenario), 120 (+ ad_position)`."""
    steps = rows.drop_duplicates("num_columns").sort_values("num_columns")
    words: list[str] = []
    known: list[str] = []
    for columns, number in zip(steps["domain_columns"], steps["num_domains"], strict=True):
        added = [name for name in columns.split("+") if name not in known]
        words.append(f"{number:,} ({'+ ' if known else ''}{joined(added)})")
        known += added
    return f"{data_title(*rows[['dataset', 'partition']].iloc[0])}: {', '.join(words)}"


FIGURE = Figure(
    title="Quality against the number of domains",
    section="domains",
    position=70,
    is_folded=True,
    study="partitions",
    tabulate=tabulate,
    draw=draw,
    notes=notes,
)
