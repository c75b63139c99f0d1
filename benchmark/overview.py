"""Answers that need no run: what there is, what is done, what a plan would take."""

from __future__ import annotations

import importlib
import json
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.environment import ROOT, machine
from benchmark.planning import Selection, check_not_empty, logs_of, models_of
from benchmark.protocol import PRESETS
from benchmark.studies import STUDIES, Change
from datasets import catalog
from datasets.spec import DomainPartition
from models.registry import available

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmark.records import RunStore, SlotState

LISTS = ("datasets", "backbones", "methods", "presets", "studies", "tables")


def listing(kind: str) -> list[str]:
    """One line for each thing of a kind of `LISTS`."""
    if kind == "presets":
        return [f"{preset.name}: {preset.summary}" for preset in PRESETS.values()]
    if kind == "studies":
        return [f"{name}: {study.summary}" for name, study in STUDIES.items()]
    if kind == "tables":
        return sorted(path.stem for path in Path(ROOT, "reports", "tables").glob("[!_]*.py"))
    if kind == "datasets":
        return list(catalog.available())
    return list(available("backbones" if kind == "backbones" else "methods"))


def system_information() -> list[str]:
    """Versions and machine as JSON."""
    return [json.dumps(machine(), indent=1)]


def status_lines(store: RunStore) -> list[str]:
    """How many of the last plan's slots are done, failed and missing, in all and by study, and why.

    Raises:
        RecordError: there is no plan.
    """
    plan = store.read_plan()
    states = {slot: store.state(config) for slot, config in plan.slots.items()}
    lines = [f"{store.out}: preset {plan.preset}, {_count(list(states.values()))}"]
    for study in STUDIES:
        members = [states[slot] for slot in plan.studies.get(study, ()) if slot in states]
        lines += [f"  {study}: {_count(members)}"] if members else []
    for slot, config in plan.slots.items():
        if states[slot] == "failed":
            lines.append(f"failed: {config.title}: {store.read_error(config)}")
    return lines


def _count(states: Sequence[SlotState]) -> str:
    count = Counter(states)
    return (
        f"{len(states)} cells: {count['done']} done, {count['failed']} failed,"
        f" {count['missing']} missing"
    )


def card_line(card: Mapping[str, Any]) -> str:
    """The line that says which rows were read."""
    rows = card["rows"]
    line = f"  {card['name']}: " + ", ".join(f"{split} {rows[split]:,}" for split in rows) + " rows"
    if card["train_rows_dropped_by_cap"]:
        line += f"; the {card['train_rows_dropped_by_cap']:,} earliest train rows are left out"
    how = "by time" if card["split_kind"] == "time" else "by a seeded shuffle (no timestamp)"
    return f"{line}; split {how}"


def plan_lines(selection: Selection, jobs: int) -> list[str]:
    """All cells of a call, done or not, by study, and how long they would take here at most.

    Raises:
        ConfigError: there is no cell.
        DataError: an unknown data set or domain column.
    """
    cells: list[tuple[str, str, Change]] = []
    by_study: list[str] = []
    for name in STUDIES:
        members = [
            (log, *model)
            for log in logs_of(name, selection)
            for model in models_of(name, selection, _num_columns(log))
        ]
        new = [cell for cell in members if cell not in cells]
        shared = (len(members) - len(new)) * selection.num_seeds
        cells += new
        if members:
            text = f"{name}: {len(members) * selection.num_seeds} cells"
            by_study.append(text + (f", {shared} of them shared" if shared else ""))
    check_not_empty(selection, cells)
    start = time.perf_counter()
    importlib.import_module("benchmark.estimate")  # torch is slow to import, here as in a worker
    start_up = time.perf_counter() - start
    lines, total = _cell_lines(selection, cells)
    count = len(cells) * selection.num_seeds
    minutes = (total / min(jobs, count) + start_up) / 60
    return [
        *lines,
        *by_study,
        f"{count} cells, at most about {minutes:.1f} min with {jobs} jobs if dev has a quarter of"
        " the train rows; nothing was run",
    ]


def _num_columns(log: str) -> int:
    """The number of domain columns of a `--data` value."""
    source, columns = catalog.source_of(log)
    spec = catalog.load(source).spec
    if columns:
        spec = spec.with_partition(DomainPartition(tuple(columns.split("+"))))
    return len(spec.partition.columns)


def _cell_lines(
    selection: Selection, cells: Sequence[tuple[str, str, Change]]
) -> tuple[list[str], float]:
    """One line per model and log, and the seconds of all; scaled layers cost what they match."""
    from benchmark.estimate import estimate_cell_seconds

    seconds_of: dict[tuple[str, str, int], float] = {}
    lines, total = [], 0.0
    for log, backbone, change in cells:
        train_rows = _most_train_rows(selection, log)
        key = (backbone, change.match or change.method, train_rows)
        if key not in seconds_of:
            seconds_of[key] = estimate_cell_seconds(
                selection.preset.protocol, train_rows, backbone, key[1]
            )
        total += seconds_of[key] * selection.num_seeds
        lines.append(
            f"{log} {backbone}+{change.label}: {selection.num_seeds} seeds, at most about"
            f" {seconds_of[key]:.0f} s each"
        )
    return lines, total


def _most_train_rows(selection: Selection, log: str) -> int:
    """Two thirds of a generated log, and the preset's cap of any other."""
    if catalog.is_world(catalog.source_of(log)[0]):
        return selection.world_rows * 2 // 3
    return selection.preset.max_train_rows
