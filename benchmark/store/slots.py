"""The states of the slots of a plan, as it and the run folders say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmark.store.files import RecordError

if TYPE_CHECKING:
    from benchmark.config import RunConfig
    from benchmark.store.plan import Plan
    from benchmark.store.records import RunRecord, RunStore, SlotState

WAITING = "waits for tuning"
NOT_RUN = "not run yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotOutcome:
    """The state of a slot; `reason` says why it is not done, `record` is there when it is."""

    state: SlotState
    reason: str = ""
    record: RunRecord | None = None


def outcome_of(store: RunStore, plan: Plan, slot: str) -> SlotOutcome:
    """The outcome of a slot of a plan, with the digests of its run checked."""
    state = plan.state_of(slot)
    if state:
        return SlotOutcome(state=state, reason=plan.waiting[slot] or WAITING)
    return _in_folder(store, plan.slots[slot])


def _in_folder(store: RunStore, config: RunConfig) -> SlotOutcome:
    state = store.marked_state(config)
    if state == "failed":
        return SlotOutcome(state=state, reason=store.read_error(config))
    if state == "missing":
        return SlotOutcome(state=state, reason=NOT_RUN)
    try:
        return SlotOutcome(state=state, record=store.read_run(config))
    except RecordError as error:
        return SlotOutcome(state="missing", reason=str(error))
