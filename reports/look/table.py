"""A table as readers see it, and its renderings as Markdown and LaTeX."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from reports.look.part import ReportPart

UNDEFINED = "n/a"
LATEX_ESCAPES = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        **{character: "\\" + character for character in "&%$#_{}"},
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "±": r"$\pm$",
        "\N{MINUS SIGN}": "$-$",
        "\N{MULTIPLICATION SIGN}": r"$\times$",
        "Δ": r"$\Delta$",
        "\N{DAGGER}": r"$\dagger$",
    }
)
MARKDOWN_ESCAPES = str.maketrans({character: "\\" + character for character in "\\|*_`<>[]"})


@dataclass(frozen=True, slots=True)
class Entry:
    """The text of one table cell; its lines are a list on the page, elsewhere one line.

    On the page it links to the element with the id `link` and can be linked to by its own id
    `anchor`, and `tip` is shown over it. `tag` is the verdict that the text begins with.
    """

    text: str
    is_best: bool = False
    link: str = ""
    anchor: str = ""
    tag: str = ""
    tip: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableBlock:
    """Consecutive rows under one heading; the first entry of a row names it.

    `log` is the title of the log that they are of, if of one.
    """

    heading: str
    rows: list[list[Entry]]
    log: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableLayout:
    """Column headings, blocks of rows, and what a reader has to know to read them.

    `wraps` are the indices of columns with sentences, which break into lines; `of_metric` are those
    of differences of one metric, each with its name, which readers can choose among. With a
    `caption` the table is one for a column of a paper: LaTeX has small type, the caption for all
    that is told, and the notes as comments.
    """

    columns: list[str]
    blocks: list[TableBlock]
    notes: list[str]
    wraps: frozenset[int] = frozenset()
    of_metric: Mapping[int, str] = field(default_factory=dict)
    caption: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table(ReportPart):
    """The constant `TABLE` of a module of `reports/tables`; `arrange` lays the numbers out."""

    arrange: Callable[[pd.DataFrame], TableLayout]


def number(value: float, digits: int, *, signed: bool = False, unit: float = 1.0) -> str:
    """A number in a unit, rounded; `n/a` when it is undefined."""
    if pd.isna(value):
        return UNDEFINED
    text = f"{value / unit:{'+' if signed else ''},.{digits}f}"
    return text.replace("-", "\N{MINUS SIGN}")


def multiple(ratio: float) -> str:
    """A multiple with two digits that count; nothing where it is unknown."""
    if math.isnan(ratio):
        return ""
    return f"{number(ratio, 0 if ratio >= 9.95 else 1)} \N{MULTIPLICATION SIGN}"


def spread(mean: float, std: float, digits: int, *, signed: bool = False, unit: float = 1.0) -> str:
    """Mean and standard deviation in a unit; the mean alone where the deviation is undefined."""
    text = number(mean, digits, signed=signed, unit=unit)
    if math.isnan(std) or math.isnan(mean):
        return text
    return f"{text} ± {number(std, digits, unit=unit)}"


def p_value(value: float) -> str:
    """A p value with three digits, and no more than that of a small one."""
    return "< 0.001" if value < 0.001 else number(value, 3)


def to_markdown(title: str, layout: TableLayout) -> str:
    """A GitHub table with a heading; the block's heading is a row of its own."""
    lines = [
        f"## {title}",
        "",
        _pipes(layout.columns),
        _pipes(["---"] + ["---:"] * (len(layout.columns) - 1)),
    ]
    for block in layout.blocks:
        lines.append(
            _pipes(
                [f"**{block.heading.translate(MARKDOWN_ESCAPES)}**"]
                + [""] * (len(layout.columns) - 1)
            )
        )
        lines += [_pipes([_markdown(entry) for entry in row]) for row in block.rows]
    lines += ["", *(f"- {note.translate(MARKDOWN_ESCAPES)}" for note in layout.notes)]
    return "\n".join(lines) + "\n"


def to_latex(title: str, layout: TableLayout) -> str:
    """A booktabs table; with a caption one for a single column of a paper."""
    width = len(layout.columns)
    lines = [
        r"% needs \usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        *([r"\footnotesize", r"\setlength{\tabcolsep}{3pt}"] if layout.caption else []),
        rf"\caption{{{(layout.caption or title).translate(LATEX_ESCAPES)}}}",
        rf"\begin{{tabular}}{{l{'r' * (width - 1)}}}",
        r"\toprule",
        _ampersands([column.translate(LATEX_ESCAPES) for column in layout.columns]),
    ]
    for block in layout.blocks:
        heading = block.heading.translate(LATEX_ESCAPES)
        lines += [r"\midrule", rf"\multicolumn{{{width}}}{{l}}{{\textit{{{heading}}}}} \\"]
        lines += [_ampersands([_latex(entry) for entry in row]) for row in block.rows]
    lines += [r"\bottomrule", r"\end{tabular}"]
    start = "% " if layout.caption else r"\par\footnotesize "
    lines += [f"{start}{note.translate(LATEX_ESCAPES)}" for note in layout.notes]
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def _pipes(texts: Sequence[str]) -> str:
    return "| " + " | ".join(texts) + " |"


def _ampersands(texts: Sequence[str]) -> str:
    return " & ".join(texts) + r" \\"


def _on_one_line(entry: Entry) -> str:
    return entry.text.replace("\n", "; ")


def _markdown(entry: Entry) -> str:
    text = _on_one_line(entry).translate(MARKDOWN_ESCAPES)
    return f"**{text}**" if entry.is_best else text


def _latex(entry: Entry) -> str:
    text = _on_one_line(entry).translate(LATEX_ESCAPES)
    return rf"\textbf{{{text}}}" if entry.is_best else text


def interval_text(
    row: Mapping[Hashable, float],
    name: str,
    digits: int,
    *,
    signed: bool = True,
    unit: float = 1.0,
) -> str:
    """A difference and its interval in a unit, the difference alone where that is undefined."""
    mean, low, high = (
        number(row[f"{name}_{part}"], digits, signed=signed, unit=unit)
        for part in ("mean", "low", "high")
    )
    return mean if math.isnan(row[f"{name}_low"]) else f"{mean} [{low}, {high}]"
