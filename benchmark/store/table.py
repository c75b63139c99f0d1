"""The runs of a store as one tidy frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from benchmark.store.plan import read_plan
from benchmark.store.records import RunStore
from benchmark.store.slots import outcome_of
from benchmark.store.trials import Tuned

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.config import Json, RunConfig
    from benchmark.store.plan import Plan
    from benchmark.store.records import RunRecord

KEYS = (
    *("dataset", "partition", "backbone", "method", "changes", "draw", "seed", "state"),
    *("reason", "run_id", "slot_id", "data_fingerprint", "protocol"),
)


def table_of_runs(out: Path) -> pd.DataFrame:
    """One row per slot of all calls on an output folder; see `benchmark.api.results`.

    Raises:
        RecordError: there is no plan, or it cannot be read.
    """
    store, plan = RunStore(out), read_plan(out).whole
    rows: list[dict[str, object]] = []
    values: list[dict[str, object]] = []
    for slot, config in plan.slots.items():
        outcome = outcome_of(store, plan, slot)
        row: dict[str, object] = {
            **_keys(config, plan),
            "state": outcome.state,
            "reason": outcome.reason,
            "run_id": None if slot in plan.waiting else config.run_id,
            "slot_id": slot,
        }
        if outcome.record is not None:
            row |= _outcome(outcome.record)
        rows.append(row)
        values.append({} if slot in plan.waiting else _values(config))
    frame = pd.DataFrame(rows, columns=None if rows else list(KEYS)).astype({"draw": "Int64"})
    others = [name for name in frame if name not in KEYS]
    own = pd.DataFrame(values, dtype=object)  # integers remain integers beside missing values
    return pd.concat([frame[[*KEYS, *others]], own], axis="columns")


def _keys(config: RunConfig, plan: Plan) -> dict[str, object]:
    facts = plan.facts.get(config.method)
    return {
        "dataset": config.dataset,
        "partition": "+".join(config.partition),
        "backbone": config.backbone,
        "method": config.method,
        "changes": ", ".join(config.changed.words(facts.pin_titles if facts else None)),
        "draw": config.draw,
        "seed": config.seed,
        "data_fingerprint": config.data_fingerprint,
        "protocol": config.protocol.name,
    }


def _outcome(record: RunRecord) -> dict[str, Json]:
    """The metrics by split, then what the training was and what it cost."""
    metrics: dict[str, Json] = {
        f"{split}_{name}": value
        for split, values in record.metrics.items()
        for name, value in values.items()
    }
    return metrics | record.training | record.cost | record.timing | record.latency


def _values(config: RunConfig) -> dict[str, object]:
    """The hyper-parameters by the names that searches have for them; lists as tuples."""
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in Tuned.of(config).values.items()  # noqa: PD011
    }
