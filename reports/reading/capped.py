"""Runs that the cap on epochs stopped: what rests on many of them is marked and settles nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.analysis_plan import ANALYSIS

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping

    import pandas as pd

    from benchmark.store.records import RunRecord

MOST_CAPPED = ANALYSIS.exclusions.capped_share  # of the runs of a model
MARK = "\N{DAGGER}"
NOTE = (
    f"{MARK} Over {100 * MOST_CAPPED:.0f}% of the runs were stopped by the protocol's cap on"
    " epochs, not by its patience: the model may gain from longer training, and no verdict rests on"
    " it."
)


def is_capped(record: RunRecord) -> bool:
    """Whether a run was stopped by the cap."""
    return record.training["stopped_by"] == "cap"


def cap_warning(titles: Iterable[str]) -> str:
    """What it would take to settle what rests on models with too many capped runs."""
    return f"a higher cap on epochs, which stopped over {100 * MOST_CAPPED:.0f}% of the runs of" + (
        f" {' and '.join(titles)}"
    )


def are_capped(records: Iterable[RunRecord]) -> bool:
    """Whether too many of a model's runs were stopped by the cap."""
    found = [is_capped(record) for record in records]
    return sum(found) > MOST_CAPPED * len(found)


def capped_share(own: pd.DataFrame) -> float:
    """The share of runs that were stopped by the cap, of the rows of `Runs.metrics`."""
    return float((own["stopped_by"] == "cap").mean())


def marked(title: str, row: Mapping[Hashable, float]) -> str:
    """The title of a row, with the mark if it has earned it."""
    return f"{title} {MARK}" if row["capped"] > MOST_CAPPED else title


def capped_note(table: pd.DataFrame) -> list[str]:
    """What the mark says, where a row has it."""
    return [NOTE] if (table["capped"] > MOST_CAPPED).any() else []


def last_steps(records: Iterable[RunRecord]) -> str:
    """How many runs kept the last step that the cap allows, as a sentence; empty without a run."""
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
