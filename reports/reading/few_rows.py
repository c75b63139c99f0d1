"""Logs with so few rows of a class in dev or test that no star and no verdict rests on them."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from reports.analysis_plan import ANALYSIS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from reports.reading.keys import Family
    from reports.reading.load import Runs

LEAST_ROWS = ANALYSIS.exclusions.rows_of_a_class  # of each class
SPLITS = ("dev", "test")


def few_rows(runs: Runs, family: Family) -> str:
    """Which class has too few rows on a log, or on a draw of it; empty where each has enough.

    Neither stars nor verdicts rest on such a log: an AUC of a few clicks says which rows they are.
    """
    domains = [runs.domains(fingerprint) for fingerprint in runs.families[family].values()]
    return _too_few(domains, SPLITS)


def few_test_rows(
    runs: Runs,
    family: Family,
    groups_of: Callable[[pd.DataFrame], NDArray[np.int64]],
    number: int,
) -> str:
    """The same of one group of domains in test; `groups_of` gives the group of each domain."""
    logs = (runs.domains(fingerprint) for fingerprint in runs.families[family].values())
    ordered = (domains.sort_values("eval_domain_id") for domains in logs)
    groups = [domains[groups_of(domains) == number] for domains in ordered]
    return _too_few(groups, ("test",), " of these domains")


def _too_few(draws: Iterable[pd.DataFrame], splits: Iterable[str], where: str = "") -> str:
    """The counts below `LEAST_ROWS` of each class in these splits of the draws, in words."""
    found = [
        f"{count} {kind} in {split}{where}"
        for domains, split in product(draws, splits)
        for kind, count in _counts(domains, split).items()
        if count < LEAST_ROWS
    ]
    return f"{', '.join(dict.fromkeys(found))}; {LEAST_ROWS} are needed" if found else ""


def _counts(domains: pd.DataFrame, split: str) -> dict[str, int]:
    rows, clicks = (int(domains[f"{split}_{of}"].sum()) for of in ("impressions", "clicks"))
    return {"clicks": clicks, "rows without a click": rows - clicks}
