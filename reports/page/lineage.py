"""The runs behind a part of the page, their states, and the commands that make them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from benchmark.config import Json
from reports.reading.keys import Cell
from reports.reading.load import Runs
from reports.reading.names import data_title, model_title, rank

OUT = "DIR"
REPORT_ONLY = f"python run_all.py --report-only --out {OUT}"


def studies_in(runs: Runs) -> list[str]:
    """The studies of the plan that have cells, in order."""
    return [name for name, slots in runs.studies.items() if slots]


def command(call: Mapping[str, Json], studies: Sequence[str], *, retry_failed: bool = False) -> str:
    """The line that runs these studies with the flags of a call."""
    words = ["python", "run_all.py"]
    for flag, value in call.items():
        values = value if isinstance(value, list) else [value]
        if flag == "--plugin":
            words += [word for path in values for word in (flag, str(path))]
        else:
            words += [flag, *map(str, values)]
    words += ["--only", *studies]
    words += ["--retry-failed"] if retry_failed else []
    return shlex.join([*words, "--out", OUT])


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


def lineage_of(runs: Runs, studies: Sequence[str]) -> Lineage | None:
    """The lineage of studies; None for none, or none that has cells."""
    present = studies_in(runs)
    names = [name for name in studies if name in present]
    if not names:
        return None
    cells = runs.study(*names).cells
    return Lineage(
        command=command(runs.call, names),
        states={
            state: sum(cell.state == state for cell in cells)
            for state in ("done", "failed", "missing")
        },
        logs=_logs(cells, runs.store.out),
    )


def _logs(cells: tuple[Cell, ...], out: Path) -> dict[str, dict[str, list[RunLink]]]:
    logs: dict[str, dict[str, list[RunLink]]] = {}
    for cell in sorted(
        cells, key=lambda cell: (rank(cell.config.backbone), rank(cell.config.method))
    ):
        dataset, partition, *model = cell.key
        models = logs.setdefault(data_title(dataset, partition), {})
        models.setdefault(model_title(*model), []).append(_link(cell, out))
    return logs


def _link(cell: Cell, out: Path) -> RunLink:
    folder = ""
    if cell.record is not None:
        folder = quote(f"../{cell.record.path.relative_to(out).as_posix()}/", safe="/+")
    return RunLink(
        run_id=cell.run_id, replicate=cell.config.replicate, folder=folder, state=cell.state
    )
