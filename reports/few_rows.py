"""Logs with so few rows of a class in dev or test that no star and no verdict rests on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.analysis_plan import ANALYSIS

if TYPE_CHECKING:
    from reports.keys import Family
    from reports.load import Runs

LEAST_ROWS = ANALYSIS.exclusions.rows_of_a_class  # of each class
SPLITS = ("dev", "test")


def few_rows(runs: Runs, family: Family) -> str:
    """What there is too little of on a log, or on a draw of it; empty where there is enough.

    Neither stars nor verdicts rest on such a log: an AUC of a few clicks says which rows they are.
    """
    found = [
        f"{count} {kind} in {split}"
        for fingerprint in runs.families[family].values()
        for split, kind, count in _counts(runs, fingerprint)
        if count < LEAST_ROWS
    ]
    return f"{', '.join(dict.fromkeys(found))}; {LEAST_ROWS} are needed" if found else ""


def _counts(runs: Runs, fingerprint: str) -> list[tuple[str, str, int]]:
    domains = runs.domains(fingerprint)
    counts = []
    for split in SPLITS:
        rows, clicks = (int(domains[f"{split}_{of}"].sum()) for of in ("impressions", "clicks"))
        counts += [(split, "clicks", clicks), (split, "rows without a click", rows - clicks)]
    return counts
