"""A figure as readers see it, and its files: PNG, PDF and the CSV that it draws."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.look.part import ReportPart
from reports.look.style import DPI, house_style

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from matplotlib.figure import Figure as Canvas


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure(ReportPart):
    """The constant `FIGURE` of a module of `reports/figures`.

    `draw` draws the numbers and nothing else, so that a changed CSV file can be drawn too.
    `notes` are the caption, sentence by sentence: what is shown, units, counts, what intervals
    are.
    """

    draw: Callable[[pd.DataFrame], Canvas]
    notes: Callable[[pd.DataFrame], list[str]]


def rendered(figure: Figure, table: pd.DataFrame) -> dict[str, bytes]:
    """The figure as `png` and `pdf`; equal tables give equal bytes."""
    files = {}
    with house_style():
        canvas = figure.draw(table)
        for kind in ("png", "pdf"):
            stream = io.BytesIO()
            stamp = {"CreationDate": None} if kind == "pdf" else {"Software": None}
            canvas.savefig(stream, format=kind, dpi=DPI, metadata=stamp)
            files[kind] = stream.getvalue()
    return files
