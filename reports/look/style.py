"""The style of figures: a colour and a marker per method, sizes of a printed column, light paper.

Colours are those of Okabe and Ito (2008), which readers with any common colour blindness can tell
apart; markers and line styles repeat what colours say, for print in grey.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure as Canvas

from reports.reading.names import facts_of, name_of, rank

COLUMN, PAGE = 3.4, 7.0  # inches: widths of one column and of both
DPI = 200
OTHERS = (
    ("#0072b2", "X"),
    ("#f0e442", "h"),
    ("#8c510a", "<"),
    ("#5e3c99", ">"),
)  # of models without
STYLE: dict[Any, Any] = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.5,
    "axes.axisbelow": True,
    "lines.linewidth": 1.2,
    "lines.markersize": 4.5,
    "errorbar.capsize": 2.0,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "text.parse_math": False,  # names and values of a log are drawn as they stand
    "pdf.fonttype": 42,  # text stays text
    "svg.hashsalt": "0",
}


@contextmanager
def house_style() -> Iterator[None]:
    """Draw in the style of the house; whatever the user's own matplotlib settings are."""
    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        warnings.filterwarnings("error", message=".*[Tt]ight layout not applied.*")
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # `fonts.remark` says so
        yield


def panels(rows: int, columns: int, *, width: float, height: float) -> Canvas:
    """An empty figure of so many panels, `figure.subplots` already made; height is per row."""
    canvas = Canvas(figsize=(width, height * rows), layout="constrained")
    canvas.subplots(rows, columns, squeeze=False)
    return canvas


def look_of(method: str) -> dict[str, str]:
    """Colour, marker and label of a method, or of a reference model, for `Axes.plot`."""
    facts, other = facts_of(method), OTHERS[sum(map(ord, method)) % len(OTHERS)]
    colour, marker = facts.colour or other[0], facts.marker or other[1]
    return {"color": colour, "marker": marker, "label": name_of(method)}


def in_order(methods: Iterable[str]) -> list[str]:
    """Methods in the order of tables, each once."""
    return sorted(set(methods), key=rank)
