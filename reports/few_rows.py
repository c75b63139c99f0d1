"""Logs with so few rows of a class in dev or test that no star and no verdict rests on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.analysis_plan import ANALYSIS

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

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


def few_test_rows(
    runs: Runs,
    family: Family,
    groups_of: Callable[[pd.DataFrame], NDArray[np.int64]],
    number: int,
) -> str:
    """The same of one group of domains in test; `groups_of` gives the group of each domain."""
    found = []
    for fingerprint in runs.families[family].values():
        domains = runs.domains(fingerprint).sort_values("eval_domain_id")
        own = domains[groups_of(domains) == number]
        clicks = int(own["test_clicks"].sum())
        others = int(own["test_impressions"].sum()) - clicks
        found += [
            f"{count} {kind} in test of these domains"
            for kind, count in (("clicks", clicks), ("rows without a click", others))
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
