"""Tables column by column: the engine that lays their numbers out, and columns that many have."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from benchmark import metrics
from benchmark.metrics import Metric
from reports.look import table as formats
from reports.look.part import draws_note
from reports.look.table import UNDEFINED, Entry, TableBlock, TableLayout, interval_text
from reports.reading.exclusions import capped_note, marked
from reports.reading.keys import BLOCK, DATA
from reports.reading.names import CEILING, TRUTH, block_title, data_title, is_alone, title_of

Row = Mapping[Hashable, Any]
EntryOf = Callable[[Row], Entry | str]


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A title, and the entries that the rows of a block have below it."""

    title: str
    entries: Callable[[pd.DataFrame], list[Entry]]
    metric: str = ""  # of which these are differences


def text(title: str, entry: EntryOf) -> TableColumn:
    """A column in which the entry, or its text, of a row depends on that row alone."""

    def entries(block: pd.DataFrame) -> list[Entry]:
        found = map(entry, block.to_dict("records"))
        return [one if isinstance(one, Entry) else Entry(one) for one in found]

    return TableColumn(title, entries)


def laid_out(
    table: pd.DataFrame,
    columns: Sequence[TableColumn],
    notes: Sequence[str],
    by: Sequence[str] = BLOCK,
    heading: Callable[[Row], str] = block_title,
) -> TableLayout:
    """The whole table in blocks, see `blocks_of`.

    The notes on draws and on capped runs, where some rows ask for them, come last unless `notes`
    has them.
    """
    blocks = blocks_of(table, columns, by, heading)
    asked = draws_note(table) if "draws" in table else []
    asked += capped_note(table) if "capped" in table else []
    all_notes = [*notes, *(note for note in asked if note not in notes)]
    return TableLayout(
        columns=[one.title for one in columns],
        blocks=blocks,
        notes=all_notes,
        of_metric={place: one.metric for place, one in enumerate(columns) if one.metric},
    )


def blocks_of(
    table: pd.DataFrame,
    columns: Sequence[TableColumn],
    by: Sequence[str],
    heading: Callable[[Row], str],
) -> list[TableBlock]:
    """One block per data set and backbone, or whatever columns `by` tell apart, in table order.

    The heading of a block is made from its first row.
    """
    return [
        TableBlock(
            heading=heading(rows.iloc[0].to_dict()),
            rows=entries_of(rows, columns),
            log=data_title(*rows.iloc[0][DATA]) if set(DATA) <= set(by) else "",
        )
        for _, rows in table.groupby([*by], sort=False)
    ]


def entries_of(rows: pd.DataFrame, columns: Sequence[TableColumn]) -> list[list[Entry]]:
    """The entries of some rows of the table, row by row."""
    return [list(row) for row in zip(*(one.entries(rows) for one in columns), strict=True)]


def model(title: Callable[[Row], str]) -> TableColumn:
    """The column `Model`, which marks models whose runs the cap on epochs stopped."""
    return text("Model", lambda row: marked(title(row), row) if "capped" in row else title(row))


def _model_title(row: Row) -> str:
    if row["method"] == CEILING:
        return TRUTH
    return title_of(row["backbone"], row["method"], row.get("changes", ""))


MODEL = model(_model_title)


def number(
    title: str, name: str, digits: int, *, signed: bool = False, unit: float = 1.0
) -> TableColumn:
    """The numbers of one column of the table, in a unit."""
    return text(title, lambda row: formats.number(row[name], digits, signed=signed, unit=unit))


def spread(
    title: str, name: str, digits: int, *, signed: bool = False, unit: float = 1.0
) -> TableColumn:
    """`<name>_mean` ± `<name>_std`, in a unit."""

    def entry(row: Row) -> str:
        moments = row[f"{name}_mean"], row[f"{name}_std"]
        return formats.spread(*moments, digits, signed=signed, unit=unit)

    return text(title, entry)


def interval(
    title: str, name: str, digits: int, *, signed: bool = True, unit: float = 1.0
) -> TableColumn:
    """`<name>_mean` with its interval, in a unit."""
    return text(title, lambda row: interval_text(row, name, digits, signed=signed, unit=unit))


def with_chance(name: str, one: TableColumn) -> TableColumn:
    """The column of a percentage, in brackets `<name>_by_chance`, that of equally good models."""

    def entries(block: pd.DataFrame) -> list[Entry]:
        return [
            entry
            if entry.text == UNDEFINED
            else Entry(f"{entry.text} ({formats.number(chance, 1)})")
            for entry, chance in zip(one.entries(block), block[f"{name}_by_chance"], strict=True)
        ]

    return replace(one, entries=entries)


def p_value(title: str, name: str) -> TableColumn:
    """The p values of one column of the table."""
    return text(title, lambda row: formats.p_value(row[name]))


def of_metric(name: str, one: TableColumn) -> TableColumn:
    """The column as one of differences of a metric."""
    return replace(one, metric=name)


def where_known(name: str, one: TableColumn) -> TableColumn:
    """The column with no entries in the rows that have no value of this name."""
    return blank_where(lambda row: bool(pd.isna(row[name])), one)


def blank_where(is_blank: Callable[[Row], bool], one: TableColumn) -> TableColumn:
    """The column with no entries in some rows."""

    def entries(block: pd.DataFrame) -> list[Entry]:
        shown = [not is_blank(row) for row in block.to_dict("records")]
        found = iter(one.entries(block[shown]))
        return [next(found) if is_shown else Entry("") for is_shown in shown]

    return replace(one, entries=entries)


def blank_for(methods: Collection[str], *columns: TableColumn) -> list[TableColumn]:
    """The columns with no entries in the rows of these methods."""
    return [blank_where(lambda row: row["method"] in methods, one) for one in columns]


def of_methods(*columns: TableColumn) -> list[TableColumn]:
    """The columns with no entries in the rows of models that stand alone."""
    return [blank_where(lambda row: is_alone(row["method"]), one) for one in columns]


def score(name: str, metric: Metric) -> TableColumn:
    """Mean ± standard deviation of a metric, the best mean of a block marked."""
    return with_best(name, metric, spread(metric.title, name, metric.digits))


def with_best(name: str, metric: Metric, scores: TableColumn) -> TableColumn:
    """The column of a metric with the best mean of a block marked."""

    def entries(block: pd.DataFrame) -> list[Entry]:
        means = block[f"{name}_mean"]
        best = _best(means.dropna(), metric)
        return [
            replace(entry, is_best=formats.number(mean, metric.digits) == best)
            for entry, mean in zip(scores.entries(block), means, strict=True)
        ]

    return replace(scores, entries=entries)


def _best(means: pd.Series, metric: Metric) -> str:
    """The best mean as printed, so that equal prints are marked alike; empty without a choice."""
    if len(means) < 2:
        return ""
    return formats.number(means.min() if metric.lower_is_better else means.max(), metric.digits)


SCORES = [score(name, metric) for name, metric in metrics.SCORES.items()]


def _runs_text(row: Row) -> str:
    """The finished runs, the planned ones where they are more."""
    done, planned = row["runs"], row["planned_runs"]
    if pd.isna(done):
        return ""
    return str(done) if done == planned else f"{done} of {planned}"


RUNS = text("Runs", _runs_text)
