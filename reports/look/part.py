"""A part of the report, a table or a figure: its runs, its numbers, and its place on the page."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar, get_args

import matplotlib as mpl
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.figure import Figure as Canvas
from matplotlib.text import Text

from reports.look.fonts import further_fonts, undrawn
from reports.look.style import DPI, house_style
from reports.look.tooltips import to_svg
from reports.reading.load import Runs

SectionName = Literal["result", "cost", "domains", "claims", "methods", "evidence"]  # in order
DRAWS_NOTE = (
    "Of a generated log with several draws every run is of one draw and seed. Scores and"
    " differences are means over all its runs, each difference being of two runs with the same draw"
    " and seed, and ± is the standard deviation over the runs. Intervals and tests are over the"
    " means of the draws (Student's t, one degree of freedom less than there are draws; where main"
    " cells are compared, a spread that is small beside that of the other methods is pooled with"
    " it), which hold what differs between draws, seeds and rows: they speak of such logs, not of"
    " one. What is per domain or row is computed draw by draw; counts of domains and rows are"
    " totals over the draws."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportPart:
    """The common fields of tables and figures.

    `section` and then `position` order the parts on the page, where one that `is_folded` is a line
    until it is unfolded. `study` names the studies that make the runs, with commas between.
    `tabulate` gives the numbers, which become the CSV file; a part without rows is left out.
    """

    title: str
    section: SectionName
    position: int
    study: str
    tabulate: Callable[[Runs], pd.DataFrame]
    is_folded: bool = False

    @property
    def studies(self) -> tuple[str, ...]:
        """The studies one by one."""
        return tuple(name.strip() for name in self.study.split(","))


AnyPart = TypeVar("AnyPart", bound=ReportPart)


def in_page_order(parts: Mapping[str, AnyPart]) -> dict[str, AnyPart]:
    """Parts by name, those of a section together; names order what has one position."""
    sections = get_args(SectionName)
    return {
        name: parts[name]
        for name in sorted(
            parts,
            key=lambda name: (sections.index(parts[name].section), parts[name].position, name),
        )
    }


def draws_note(table: pd.DataFrame) -> list[str]:
    """The note on logs with several draws, where a table has one."""
    return [DRAWS_NOTE] if (table["draws"] > 1).any() else []


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure(ReportPart):
    """The constant `FIGURE` of a module of `reports/figures`.

    `draw` draws the numbers and nothing else, so that a changed CSV file can be drawn too.
    `notes` are the caption, sentence by sentence: what is shown, units, counts, what intervals
    are.
    """

    draw: Callable[[pd.DataFrame], Canvas]
    notes: Callable[[pd.DataFrame], list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """A figure as it is kept; `undrawn` are the letters that no installed font has.

    `pdf` is empty where it is not asked for. `svg` is an element of a page, and `width` its width
    in inches.
    """

    png: bytes
    pdf: bytes
    svg: str
    width: float
    undrawn: frozenset[str]


def rendered(figure: Figure, table: pd.DataFrame, *, has_pdf: bool = True) -> Images:
    """The images of a figure, laid out once; equal tables give equal bytes."""
    with house_style():
        canvas = figure.draw(table)
        letters = {letter for text in canvas.findobj(Text) for letter in text.get_text()}
        if further := further_fonts(letters):
            mpl.rcParams["font.family"] = [*mpl.rcParams["font.family"], *further]
            canvas = figure.draw(table)
        canvas.set_dpi(DPI)
        canvas.draw_without_rendering()
        canvas.set_layout_engine("none")
        return Images(
            png=_png(canvas),
            pdf=_pdf(canvas) if has_pdf else b"",
            svg=to_svg(canvas),
            width=canvas.get_figwidth(),
            undrawn=frozenset(undrawn(letters)),
        )


def _png(canvas: Canvas) -> bytes:
    stream = io.BytesIO()
    FigureCanvasAgg(canvas).print_png(stream, metadata={"Software": None})
    return stream.getvalue()


def _pdf(canvas: Canvas) -> bytes:
    stream = io.BytesIO()
    FigureCanvasPdf(canvas).print_pdf(stream, metadata={"CreationDate": None})
    return stream.getvalue()
