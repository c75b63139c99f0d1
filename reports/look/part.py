"""A part of the report, a table or a figure: its runs, its numbers, and its place on the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar, get_args

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd

    from reports.reading.load import Runs

SectionName = Literal["result", "cost", "domains", "methods", "evidence"]  # in the page's order


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportPart:
    """The common fields of tables and figures.

    `section` and then `position` order the parts on the page. `study` names the studies that make
    the runs, with commas between. `tabulate` gives the numbers, which become the CSV file; a part
    without rows is left out.
    """

    title: str
    section: SectionName
    position: int
    study: str
    tabulate: Callable[[Runs], pd.DataFrame]

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
