"""The runs behind a part of the page, their states, and the commands that make them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from reports.page.commands import command, studies_in
from reports.reading.names import data_title, model_title, rank

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from reports.reading.keys import Cell
    from reports.reading.load import Runs


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLink:
    """One run: its id, its folder as seen from the page, and its state in words."""

    run_id: str
    replicate: str  # its draw and seed
    folder: str  # empty for a run that is not finished
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """The runs of some studies: per data set, then per model, one link per draw and seed.

    `states` counts them by state.
    """

    command: str
    states: dict[str, int]
    logs: dict[str, dict[str, list[RunLink]]]

    @property
    def total(self) -> int:
        """The number of planned runs."""
        return sum(self.states.values())


def lineage_of(runs: Runs, studies: Sequence[str]) -> Lineage | None:
    """The lineage of studies; None for none, or none that has cells."""
    present = studies_in(runs)
    names = [name for name in studies if name in present]
    if not names:
        return None
    cells = runs.study(*names).cells
    return Lineage(
        command=command(runs.call, names),
        states=states_of(cells),
        logs=_logs(cells, runs.store.out),
    )


def states_of(cells: tuple[Cell, ...]) -> dict[str, int]:
    """The number of cells by state, all states named."""
    return {
        state: sum(cell.state == state for cell in cells) for state in ("done", "failed", "missing")
    }


def _logs(cells: tuple[Cell, ...], out: Path) -> dict[str, dict[str, list[RunLink]]]:
    logs: dict[str, dict[str, list[RunLink]]] = {}
    for cell in sorted(cells, key=_position):
        dataset, partition, *model = cell.key
        models = logs.setdefault(data_title(dataset, partition), {})
        models.setdefault(model_title(*model), []).append(_link(cell, out))
    return logs


def _position(cell: Cell) -> tuple[object, object]:
    return rank(cell.config.backbone), rank(cell.config.method)


def _link(cell: Cell, out: Path) -> RunLink:
    folder = ""
    if cell.record is not None:
        folder = quote(f"../{cell.record.path.relative_to(out).as_posix()}/", safe="/+")
    words = cell.config.replicate
    return RunLink(run_id=cell.run_id, replicate=words, folder=folder, state=cell.state)
