"""Answers that need no run: what there is, what is done, what a plan would take."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.environment import ROOT, machine
from benchmark.protocol import PRESETS
from benchmark.studies import STUDIES, source_of
from datasets import catalog
from models.registry import available

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmark.protocol import Preset
    from benchmark.records import RunStore

LISTS = ("datasets", "backbones", "methods", "presets", "studies", "tables")


def listing(kind: str) -> list[str]:
    """One line for each thing of a kind of `LISTS`."""
    if kind == "presets":
        return [f"{preset.name}: {preset.summary}" for preset in PRESETS.values()]
    if kind == "studies":
        return [f"{name}: {summary}" for name, summary in STUDIES.items()]
    if kind == "tables":
        return sorted(path.stem for path in Path(ROOT, "reports", "tables").glob("[!_]*.py"))
    if kind == "datasets":
        return list(catalog.available())
    return list(available("backbones" if kind == "backbones" else "methods"))


def system_information() -> list[str]:
    """Versions and machine as JSON."""
    return [json.dumps(machine(), indent=1)]


def status_lines(store: RunStore) -> list[str]:
    """How many of the last plan's slots are done, failed and missing, and why they failed.

    Raises:
        RecordError: there is no plan.
    """
    plan = store.read_plan()
    states = {slot: store.state(config) for slot, config in plan.slots.items()}
    count = Counter(states.values())
    lines = [
        f"{store.out}: preset {plan.preset}, {len(states)} cells: {count['done']} done,"
        f" {count['failed']} failed, {count['missing']} missing"
    ]
    for slot, config in plan.slots.items():
        if states[slot] == "failed":
            lines.append(f"failed: {config.title}: {store.read_error(config)}")
    return lines


def plan_lines(
    preset: Preset,
    logs: Sequence[str],
    models: Sequence[tuple[str, str]],
    num_seeds: int,
    jobs: int,
) -> list[str]:
    """All cells of a call, done or not, and how long they would take here at most.

    Raises:
        DataError: an unknown data set.
    """
    from benchmark.estimate import estimate_cell_seconds  # torch is slow to import

    for log in logs:
        catalog.load(source_of(log)[0])
    lines, total = [], 0.0
    for backbone, method in models:
        seconds = estimate_cell_seconds(preset, backbone, method)
        total += seconds * num_seeds * len(logs)
        lines += [
            f"{log} {backbone}+{method}: {num_seeds} seeds, at most about {seconds:.0f} s each"
            for log in logs
        ]
    cells = len(lines) * num_seeds
    minutes = total / min(jobs, cells) / 60
    lines.append(
        f"{cells} cells, at most about {minutes:.1f} min with {jobs} jobs if dev has a quarter of"
        " the train rows; nothing was run"
    )
    return lines
