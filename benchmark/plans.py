"""The plan of the last call: its cells, the searches that tune them, and how far they are."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Literal

from benchmark.config import RunConfig
from benchmark.files import write_text
from benchmark.stored import SCHEMA_VERSION, RecordError, named_damage, read_json, read_versioned

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from benchmark.records import RunStore, SlotState

PLAN = "plan.json"
Stage = Literal["backbone", "method"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """One Optuna study: where its trials are, how many there will be, and what they vary.

    The stage `backbone` tunes a backbone's own values on the plain method, and `method` is empty.
    `folder` is relative to the output folder, empty until what the search builds on is known.
    """

    stage: Stage
    dataset: str
    partition: str
    backbone: str
    method: str
    num_trials: int
    dimensions: tuple[str, ...]
    folder: str = ""

    @property
    def title(self) -> str:
        """How messages name it."""
        model = f"{self.backbone}+{self.method}" if self.method else f"backbone {self.backbone}"
        return f"{self.dataset}/{self.partition} {model}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The slots of one call, in order, and the names of those that each study reads.

    The runs of slots in `waiting` are not known: their hyper-parameters are still searched for, or
    the search has failed, and then the slot's text says why.
    `tuned_from` is where tuned values were read instead, if they were.
    """

    preset: str
    slots: Mapping[str, RunConfig]  # slot id -> its active run
    studies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    searches: tuple[Search, ...] = ()
    waiting: Mapping[str, str] = field(default_factory=dict)
    tuned_from: str = ""

    def state_of(self, slot: str) -> SlotState | None:
        """What the plan alone knows of a slot without a run; None for one that has a run."""
        if slot not in self.waiting:
            return None
        return "failed" if self.waiting[slot] else "missing"


def write_plan(store: RunStore, plan: Plan) -> None:
    """Write `plan.json` (state and active run of each slot) and `studies/<study>.json`."""
    slots = {
        slot: {
            "state": plan.state_of(slot) or store.marked_state(config),
            "run_id": None if slot in plan.waiting else config.run_id,
            "reason": plan.waiting.get(slot, ""),
            "config": config.to_json(),
        }
        for slot, config in plan.slots.items()
    }
    content = {
        "schema_version": SCHEMA_VERSION,
        "preset": plan.preset,
        "tuned_from": plan.tuned_from,
        "searches": [asdict(search) for search in plan.searches],
        "slots": slots,
    }
    write_text(store.out / PLAN, json.dumps(content, indent=1) + "\n")
    for study, members in plan.studies.items():
        text = json.dumps({"study": study, "slots": list(members)}, indent=1) + "\n"
        path = store.out / "studies" / f"{study}.json"
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            write_text(path, text)


def refuse_other_version(out: Path) -> None:
    """Refuse to write into a folder of another schema version; a damaged plan is made anew.

    Raises:
        RecordError: the folder is of another version.
    """
    try:
        content = read_json(out / PLAN)
    except RecordError:
        return
    if isinstance(content, dict) and isinstance(content.get("schema_version"), int):
        read_versioned(out / PLAN)


def read_plan(out: Path) -> Plan:
    """The plan of the last call.

    Raises:
        RecordError: there is none, or it cannot be read.
    """
    path = out / PLAN
    if not path.exists():
        raise RecordError(f"no runs in {out}; run `python run_all.py --out {out}` first")
    content = read_versioned(path)
    with named_damage(path):
        slots = content["slots"]
        return Plan(
            preset=content["preset"],
            slots={slot: RunConfig.from_json(entry["config"]) for slot, entry in slots.items()},
            studies={
                study.stem: tuple(read_json(study)["slots"])
                for study in sorted((out / "studies").glob("*.json"))
            },
            searches=tuple(
                Search(**search | {"dimensions": tuple(search["dimensions"])})
                for search in content["searches"]
            ),
            waiting={
                slot: entry["reason"] for slot, entry in slots.items() if entry["run_id"] is None
            },
            tuned_from=content["tuned_from"],
        )
