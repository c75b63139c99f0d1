"""What a reader of the report should know about the store that it was made from."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from benchmark.plans import read_plan
from reports.verification.findings import Findings
from reports.verification.folders import read_runs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reports.load import Runs

SCORES = ("logloss", "auc", "gauc")


def warnings_of(runs: Runs) -> list[str]:
    """One line per file that is damaged or foreign, run that no plan has, and undefined metric.

    None of these is part of a table, but for undefined metrics, which make a mean undefined.
    """
    out = runs.store.out
    findings = Findings(out)
    read_runs(runs.store, read_plan(out), findings)
    unfinished = {str(cell.config.run_id) for cell in runs.cells if cell.record is None}
    notes = [note for note in findings.notes if not any(name in note for name in unfinished)]
    return [*findings.differences, *notes, *_undefined(runs)]


def _undefined(runs: Runs) -> Iterator[str]:
    for record in runs.records:
        for split, metrics in record.metrics.items():
            names = [name for name in SCORES if math.isnan(metrics.get(name, math.nan))]
            if names:
                folder = record.path.relative_to(runs.store.out)
                yield f"{folder}: {', '.join(names)} undefined on {split}"
