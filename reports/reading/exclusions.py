"""Exclusions: models with many runs that the cap stopped, and logs with few rows of a class."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.protocol import PRESETS
from benchmark.store.records import RunRecord
from reports.analysis_plan import ANALYSIS
from reports.reading.keys import DATA, Family
from reports.reading.load import Runs

LEAST_ROWS = ANALYSIS.exclusions.rows_of_a_class  # of each class
KINDS = {"click": "clicks", "row without a click": "rows without a click"}  # one, and several
SPLITS = ("dev", "test")
MOST_CAPPED = ANALYSIS.exclusions.capped_share  # of the runs of a model
MARK = "\N{DAGGER}"
NOTE = (
    f"{MARK} Over {100 * MOST_CAPPED:.0f}% of the runs were stopped by the protocol's cap on"
    " epochs, not by its patience: the model may gain from longer training, and no verdict rests on"
    " it."
)


def is_capped(record: RunRecord) -> bool:
    """True where a run was stopped by the cap."""
    return record.training["stopped_by"] == "cap"


def cap_warning(titles: Sequence[str]) -> str:
    """The change that a part asks for that rests on models with too many capped runs, if any."""
    share = f"{100 * MOST_CAPPED:.0f}%"
    words = f"a higher cap on epochs, which stopped over {share} of the runs of"
    return f"{words} {' and '.join(titles)}" if titles else ""


def are_capped(records: Iterable[RunRecord]) -> bool:
    """True where too many of a model's runs were stopped by the cap."""
    found = [is_capped(record) for record in records]
    return sum(found) > MOST_CAPPED * len(found)


def capped_share(own: pd.DataFrame) -> float:
    """The share of runs that were stopped by the cap, of the rows of `Runs.metrics`."""
    return float((own["stopped_by"] == "cap").mean())


def marked(title: str, row: Mapping[Hashable, float]) -> str:
    """The title of a row, with the mark if it has earned it."""
    return f"{title} {MARK}" if row["capped"] > MOST_CAPPED else title


def capped_note(table: pd.DataFrame) -> list[str]:
    """The note of the mark, where a row has it."""
    return [NOTE] if (table["capped"] > MOST_CAPPED).any() else []


def last_steps(records: Iterable[RunRecord]) -> str:
    """A sentence on the runs that kept the last step that the cap allows; empty without a run."""
    kept = [
        is_capped(record) and record.training["best_step"] == record.cost["optimizer_steps"]
        for record in records
    ]
    if not kept:
        return ""
    return (
        f"{sum(kept):,} of {len(kept):,} runs ({100.0 * sum(kept) / len(kept):.1f}%) kept the last"
        " step that the cap on epochs allows."
    )


def few_rows(runs: Runs, family: Family) -> str:
    """The classes with too few rows on a log, or on a draw of it; empty where each has enough.

    Neither stars nor verdicts rest on such a log: an AUC of a few clicks says which rows they are.
    """
    return _too_few(runs.domains_by_draw(family), SPLITS)


def may_be_told(runs: Runs, table: pd.DataFrame) -> pd.Series:
    """True in rows of a log whose differences may be told from chance.

    That takes a preset with verdicts, and enough rows of both classes.
    """
    has_verdicts = PRESETS[runs.preset].has_verdicts
    judged = {family for family in runs.families if has_verdicts and not few_rows(runs, family)}
    keys = table[DATA].itertuples(index=False, name=None)
    return pd.Series([Family(*key) in judged for key in keys], table.index, dtype=bool)


def few_test_rows(
    runs: Runs,
    family: Family,
    groups_of: Callable[[pd.DataFrame], NDArray[np.int64]],
    number: int,
) -> str:
    """The classes with too few test rows in one group of domains, given by `groups_of`."""
    draws = runs.domains_by_draw(family)
    groups = [domains[groups_of(domains) == number] for domains in draws]
    return _too_few(groups, ("test",), " of these domains")


def _too_few(draws: Iterable[pd.DataFrame], splits: Iterable[str], where: str = "") -> str:
    """The counts below `LEAST_ROWS` of each class in these splits of the draws, in words."""
    found = [
        f"{count} {kind if count == 1 else KINDS[kind]} in {split}{where}"
        for domains, split in product(draws, splits)
        for kind, count in _counts(domains, split).items()
        if count < LEAST_ROWS
    ]
    needed = f"at least {LEAST_ROWS} of each are needed"
    return f"{', '.join(dict.fromkeys(found))}; {needed}" if found else ""


def _counts(domains: pd.DataFrame, split: str) -> dict[str, int]:
    rows, clicks = (int(domains[f"{split}_{of}"].sum()) for of in ("impressions", "clicks"))
    return dict(zip(KINDS, (clicks, rows - clicks), strict=True))
