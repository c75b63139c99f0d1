"""The run folders of a store: what is in them, and what their records say they are."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmark.store.files import RecordError, named_damage, read_sealed
from benchmark.store.plan import Plan
from benchmark.store.records import ERROR, LATENCY, RECORD, RunRecord, RunStore
from reports.reading.findings import Findings

DEPTH = 4  # data set, partition, model, run


def read_runs(store: RunStore, plan: Plan, findings: Findings) -> list[RunRecord]:
    """The readable records of a store, in the order of their folders; all else is named."""
    records = []
    for folder in run_folders(store.out / "runs", findings):
        if (folder / RECORD).is_file():
            record = _checked(store, folder, findings)
            records += [record] if record else []
        elif (folder / ERROR).is_file():
            findings.note(f"{findings.name_of(folder)}: the run failed; see its {ERROR}")
        else:
            findings.note(f"{findings.name_of(folder)}: no {RECORD}, the run was not finished")
    _name_spares(records, plan, findings)
    return records


def files_below(folder: Path) -> Iterator[Path]:
    """All files below a folder, sorted; none if it is absent."""
    for parent, folders, files in os.walk(folder):
        folders.sort()
        yield from (Path(parent, name) for name in sorted(files))


def run_folders(root: Path, findings: Findings) -> list[Path]:
    """The folders with files at the depth of runs; files elsewhere are foreign."""
    found: dict[Path, None] = {}
    for path in files_below(root):
        parts = path.relative_to(root).parts
        if len(parts) == DEPTH + 1:
            found[path.parent] = None
        else:
            findings.foreign(path)
    return list(found)


def _checked(store: RunStore, folder: Path, findings: Findings) -> RunRecord | None:
    """A record whose seal and digests hold; what else is wrong with its folder is named."""
    path = folder / RECORD
    try:
        content, record = read_sealed(path), store.read(folder)
        with named_damage(path):
            run_id, slot_id, known = content["run_id"], content["slot_id"], content["digests"]
    except RecordError as error:
        findings.damaged(path, error)
        return None
    config = record.config
    findings.compare(path, "run_id", run_id, config.run_id)
    findings.compare(path, "slot_id", slot_id, config.slot_id)
    expected = findings.name_of(store.run_folder(config))
    findings.compare(path, "folder", findings.name_of(folder), expected)
    for other in sorted({entry.name for entry in folder.iterdir()} - {RECORD, LATENCY, *known}):
        findings.foreign(folder / other)
    if (folder / LATENCY).is_file() and not record.latency:
        reason = "damaged, or of other weights; the next call measures it again"
        findings.damaged(folder / LATENCY, RecordError(reason))
    findings.counts["runs"] += 1
    return record


def _name_spares(records: Sequence[RunRecord], plan: Plan, findings: Findings) -> None:
    """Name records that no plan has, beside others of their cell or alone."""
    active = {config.run_id for config in plan.whole.slots.values()}
    by_slot = defaultdict(list)
    for record in records:
        by_slot[record.config.slot_id].append(record)
    for record in records:
        config = record.config
        if config.run_id in active:
            continue
        cell = f"{findings.name_of(record.path)}: plan.json does not have this run"
        others = [other.config.run_id for other in by_slot[config.slot_id] if other is not record]
        beside = f"; runs of the same cell: {', '.join(others)}" if others else ""
        findings.note(f"{cell}, no table reads it{beside}")
