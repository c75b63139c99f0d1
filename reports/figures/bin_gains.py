"""Gain of each method over the plain backbone in each bin of domains, as a heat map."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from benchmark.metrics import SCORES
from reports.analysis import long_tail
from reports.analysis.long_tail import METRICS
from reports.look.panels import (
    add_legend,
    add_swatches,
    bin_labels,
    block_rows,
    counts_text,
    left_out,
)
from reports.look.part import Figure, draws_note
from reports.look.style import in_order, look_of
from reports.look.table import number
from reports.look.units import units_text
from reports.reading.exclusions import may_be_told
from reports.reading.keys import BLOCK
from reports.reading.load import Runs
from reports.statistics.bins import BINS_NOTE

_UNITS = units_text(SCORES[name] for name in METRICS)
_ROW, _FRAME = 0.28, 0.85  # inches, of a method and of what is around a panel
_COLOURS = "vlag_r"  # blue is a gain, red a loss
_MUTED, _MUTED_TEXT = "#f0f0f0", "#777777"
_ENDS = ("mean", "low", "high")
_FACTS = [*BLOCK, "method", "draws", "bin", "domains", "test_rows", "pairs"]


def tabulate(runs: Runs) -> pd.DataFrame:
    """One row per metric, method and bin: the gains of `long_tail.tabulate`.

    `is_clear` says whether the interval of a gain excludes 0, where differences may be told from
    chance; an undefined gain is nan.
    """
    gains = long_tail.tabulate(runs)
    if gains.empty:
        return gains
    parts = [
        gains[_FACTS].assign(
            metric=metric,
            **{f"gain_{end}": gains[f"{metric}_delta_{end}"] for end in _ENDS},
        )
        for metric in METRICS
    ]
    table = pd.concat(parts, ignore_index=True)
    is_clear = (table["gain_low"] > 0.0) | (table["gain_high"] < 0.0)
    return table.assign(is_clear=is_clear & may_be_told(runs, table))


def draw(table: pd.DataFrame) -> Canvas:
    """A panel per metric, a row per method and a column per bin."""
    most = table.groupby(BLOCK)["method"].nunique().max()
    canvas, blocks = block_rows(table, len(METRICS), _FRAME + _ROW * most)
    for panels, block in blocks:
        for panel, metric in zip(panels, METRICS, strict=True):
            one = SCORES[metric]
            _draw_panel(panel, block[block["metric"] == metric], one.difference_unit)
            panel.set_title(f"Gain in test {one.title}, in {units_text([one])}")
        panels[1].tick_params(labelleft=False)
    add_legend(canvas, [])
    return canvas


def _draw_panel(panel: Axes, rows: pd.DataFrame, unit: float) -> None:
    import seaborn as sns  # slow to import, and needed for drawing alone

    gains, clear = (
        rows.pivot_table(index="method", columns="bin", values=name, dropna=False, sort=False)
        for name in ("gain_mean", "is_clear")
    )
    methods = in_order(gains.index)
    gains = gains.loc[methods] / unit
    is_clear = clear.loc[methods].astype(bool)
    texts = gains.map(lambda gain: number(gain, 1, signed=True))
    most = np.nanmax(np.abs(gains[is_clear].to_numpy()), initial=0.1)
    common: dict[str, Any] = {"annot": texts, "fmt": "", "cbar": False, "linewidths": 1.0}
    common |= {"ax": panel, "annot_kws": {"size": 7}}
    sns.heatmap(gains, mask=~is_clear, cmap=_COLOURS, vmin=-most, vmax=most, **common)
    common["annot_kws"] = {"size": 7, "color": _MUTED_TEXT}
    sns.heatmap(gains * 0.0, mask=is_clear, cmap=[_MUTED], **common)
    loss, *_, gain = sns.color_palette(_COLOURS).as_hex()
    add_swatches(panel, {"gain": gain, "loss": loss, "not told from 0": _MUTED})
    panel.set_xticklabels(bin_labels(rows).values())
    panel.set_yticklabels([look_of(method)["label"] for method in methods], rotation=0)
    panel.set(xlabel="bin, its domains, its test rows", ylabel="")
    panel.tick_params(length=0)
    panel.grid(visible=False)


def notes(table: pd.DataFrame) -> list[str]:
    """The caption."""
    return [
        f"Gain of each method over the plain backbone in units of {_UNITS}, mean over the runs that"
        f" both have ({counts_text(table['pairs'])}): GAUC over the domains of a bin and AUC of all"
        " its rows. Blue is a gain, red a loss; grey is a gain whose 95% interval holds 0, or that"
        " has none; blank: the bin lacks a class. Figure 3b shows the intervals.",
        BINS_NOTE,
        *draws_note(table),
        long_tail.INTERVAL_NOTE,
        *left_out(table),
    ]


FIGURE = Figure(
    title="Gain by bin of domains, method by method",
    section="domains",
    position=20,
    is_folded=True,
    study="main",
    tabulate=tabulate,
    draw=draw,
    notes=notes,
)
