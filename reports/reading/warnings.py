"""Warnings to readers of a report about the store that it was made from."""

from __future__ import annotations

import math
from collections.abc import Iterator

from benchmark.metrics import SCORES
from benchmark.store.plan import read_plan
from benchmark.store.records import FILES
from benchmark.store.remarks import remarks_on
from benchmark.store.slots import NOT_RUN, WAITING
from reports.reading.exclusions import few_rows
from reports.reading.findings import Findings
from reports.reading.folders import run_folders
from reports.reading.load import Runs
from reports.reading.names import data_title


def warnings_of(runs: Runs) -> list[str]:
    """One line per run that is damaged or that no plan has, foreign file, and undefined metric.

    Others say what a plug-in does not keep of the contract, of each log if it has too few rows of a
    class, and of each feature if train lacks nearly all of its values in test. Damaged and strange
    runs are no part of a table, and an undefined metric makes its mean undefined. Runs that only a
    former call planned are no reason for a warning.
    """
    found = [_plugins, _damaged, _strangers, _few_rows, _unseen, _undefined]
    return [line for of_kind in found for line in of_kind(runs)]


def _plugins(runs: Runs) -> Iterator[str]:
    """What plug-ins of the last call do not keep of the contract."""
    for lines in read_plan(runs.store.out).plugin_checks.values():
        yield from lines


def _damaged(runs: Runs) -> Iterator[str]:
    for cell in runs.cells:
        if cell.state == "missing" and cell.reason not in (NOT_RUN, WAITING):
            yield cell.reason.replace(f"{runs.store.out}/", "")


def _strangers(runs: Runs) -> Iterator[str]:
    """Files that no run writes, and run folders that no plan names."""
    store, findings = runs.store, Findings(runs.store.out)
    planned = {store.run_folder(config) for config in read_plan(store.out).whole.slots.values()}
    for folder in run_folders(store.out / "runs", findings):
        if folder not in planned:
            yield f"{findings.name_of(folder)}: plan.json does not have this run, no table reads it"
        for path in sorted(folder.iterdir()):
            if path.name not in FILES and not path.name.startswith("."):  # being written
                findings.foreign(path)
    yield from findings.differences


def _few_rows(runs: Runs) -> Iterator[str]:
    for family in runs.families:
        if few := few_rows(runs, family):
            yield f"{data_title(*family)}: {few}, so no star and no verdict rests on this log"


def _unseen(runs: Runs) -> Iterator[str]:
    for family, logs in runs.families.items():
        card = runs.card(next(iter(logs.values())))
        yield from (f"{data_title(*family)}: {remark}" for remark in remarks_on(card))


def _undefined(runs: Runs) -> Iterator[str]:
    for record in runs.records:
        for split, metrics in record.metrics.items():
            known = SCORES.keys() - record.newer
            names = [name for name in SCORES if name in known and math.isnan(metrics[name])]
            if names:
                folder = record.path.relative_to(runs.store.out)
                yield f"{folder}: {', '.join(names)} undefined on {split}"
