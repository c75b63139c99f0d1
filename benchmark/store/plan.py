"""The plan of the last call: its cells, the searches that tune them, and how far they are.

The plans of former calls on the folder are kept beside it, for those who look at all of its runs.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from shlex import quote
from typing import TYPE_CHECKING, Any

from benchmark.config import SECOND_SEARCH, Json, RunConfig, log_name
from benchmark.store.files import (
    SCHEMA_VERSION,
    RecordError,
    named_damage,
    read_json,
    read_versioned,
    write_text,
)
from models.facts import Facts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from benchmark.store.records import RunStore, SlotState

PLAN = "plan.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """One Optuna study: where its trials are, how many there will be, and what they vary.

    It is the search `number` of its model, from 1 on; main cells have the values of the first.
    The sampler proposes the values of `own_dimensions`; those of `shared_dimensions` are tried
    alike by every search on the backbone. `folder` is relative to the output folder.
    """

    dataset: str
    draw: int | None
    partition: str
    backbone: str
    method: str
    number: int = 1
    num_trials: int
    own_dimensions: tuple[str, ...]
    shared_dimensions: tuple[str, ...]
    folder: str

    @property
    def log(self) -> str:
        """The log that it is on, as in `RunConfig.log`."""
        return log_name(self.dataset, self.draw)

    @property
    def dimensions(self) -> tuple[str, ...]:
        """All values that its trials vary."""
        return (*self.own_dimensions, *self.shared_dimensions)

    @property
    def title(self) -> str:
        """The name of the search in messages."""
        words = f" ({SECOND_SEARCH})" if self.number > 1 else ""
        return f"{self.log}/{self.partition} {self.backbone}+{self.method}{words}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Former:
    """The plans of former calls on a folder that later ones do not have, the latest call's first.

    `slots` and `waiting` are as of the call that last had them; `studies` are the slots of each
    study, call by call.
    """

    slots: Mapping[str, RunConfig] = field(default_factory=dict)
    waiting: Mapping[str, str] = field(default_factory=dict)
    searches: tuple[Search, ...] = ()
    studies: Mapping[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)

    def without(self, plan: Plan) -> Former:
        """The part that the call of a plan does not have either."""
        folders = {search.folder for search in plan.searches}
        studies = {
            study: _left(calls, plan.studies.get(study, ()))
            for study, calls in self.studies.items()
        }
        return Former(
            slots={slot: self.slots[slot] for slot in self.slots if slot not in plan.slots},
            waiting={slot: self.waiting[slot] for slot in self.waiting if slot not in plan.slots},
            searches=tuple(search for search in self.searches if search.folder not in folders),
            studies={study: calls for study, calls in studies.items() if calls},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The slots of one call, in order, and the names of those that each study reads.

    The runs of slots in `waiting` are not known: their hyper-parameters are still searched for, or
    the search has failed, and then the slot's text says why.
    `tuned_from` is where tuned values were read instead, if they were. `facts` are those of the
    methods, backbones and references that there were, by name. `call` are the flags that say what
    is run, as parsed. `plugin_checks` say of each plug-in of the call, by its title, what it does
    not keep of the contract, in a line for each check that fails. Of `former` it keeps what the
    call does not have.
    """

    preset: str
    slots: Mapping[str, RunConfig]  # slot id -> its active run
    studies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    searches: tuple[Search, ...] = ()
    waiting: Mapping[str, str] = field(default_factory=dict)
    tuned_from: str = ""
    facts: Mapping[str, Facts] = field(default_factory=dict)
    call: Mapping[str, Json] = field(default_factory=dict)
    plugin_checks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    former: Former = field(default_factory=Former)

    def __post_init__(self) -> None:
        object.__setattr__(self, "former", self.former.without(self))

    @property
    def whole(self) -> Plan:
        """The plan with the slots and searches of former calls after its own."""
        return replace(
            self,
            slots={**self.slots, **self.former.slots},
            searches=(*self.searches, *self.former.searches),
            waiting={**self.waiting, **self.former.waiting},
        )

    def calls_of(self, study: str) -> tuple[tuple[str, ...], ...]:
        """The slots of a study, call by call, the latest first."""
        return (self.studies.get(study, ()), *self.former.studies.get(study, ()))

    def state_of(self, slot: str) -> SlotState | None:
        """The state of a slot without a run by the plan alone; None for one that has a run."""
        if slot not in self.waiting:
            return None
        return "failed" if self.waiting[slot] else "missing"


def write_plan(store: RunStore, plan: Plan) -> None:
    """Write `plan.json` (state and active run of each slot) and `studies/<study>.json`."""
    slots = {
        slot: {"state": plan.state_of(slot) or store.marked_state(plan.slots[slot]), **entry}
        for slot, entry in _entries(plan).items()
    }
    content = {
        "schema_version": SCHEMA_VERSION,
        "preset": plan.preset,
        "call": dict(plan.call),
        "tuned_from": plan.tuned_from,
        "plugin_checks": dict(plan.plugin_checks),
        "facts": {name: asdict(facts) for name, facts in plan.facts.items()},
        "searches": [asdict(search) for search in plan.searches],
        "slots": slots,
        "former": {
            "searches": [asdict(search) for search in plan.former.searches],
            "slots": _entries(plan.former),
        },
    }
    write_text(store.out / PLAN, json.dumps(content, indent=1) + "\n")
    for study in {**plan.studies, **plan.former.studies}:
        members, *former = plan.calls_of(study)
        text = json.dumps({"study": study, "slots": members, "former": former}, indent=1) + "\n"
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
        raise RecordError(
            f"no runs in {out}; run `python run_all.py --out {quote(str(out))}` first, or see a"
            " sample: `python run_all.py --report-only --out reports/reference`"
        )
    content = read_versioned(path)
    with named_damage(path):
        studies = {path.stem: read_json(path) for path in sorted((out / "studies").glob("*.json"))}
        return Plan(
            preset=content["preset"],
            call=content["call"],
            slots=_configs(content["slots"]),
            studies={study: tuple(found["slots"]) for study, found in studies.items()},
            searches=_searches(content["searches"]),
            waiting=_waiting(content["slots"]),
            tuned_from=content["tuned_from"],
            facts={name: Facts(**facts) for name, facts in content["facts"].items()},
            plugin_checks=_plugin_checks(content),
            former=_former(content, studies),
        )


def read_plugin_checks(out: Path) -> Mapping[str, tuple[str, ...]]:
    """The checks of plug-ins that the plan of the last call keeps; none where it is damaged."""
    try:
        return read_plan(out).plugin_checks
    except RecordError:
        return {}


def read_former(out: Path) -> Former:
    """The plans of all calls on a folder so far, for the next one; empty where damaged."""
    try:
        plan = read_plan(out)
    except RecordError:
        return Former()
    whole = plan.whole
    return Former(
        slots=whole.slots,
        waiting=whole.waiting,
        searches=whole.searches,
        studies={study: plan.calls_of(study) for study in {**plan.studies, **plan.former.studies}},
    )


def _entries(plan: Plan | Former) -> dict[str, dict[str, Any]]:
    """The entries of slots, which are kept also when they are no longer planned."""
    return {
        slot: {
            "run_id": None if slot in plan.waiting else config.run_id,
            "reason": plan.waiting.get(slot, ""),
            "config": config.to_json(),
        }
        for slot, config in plan.slots.items()
    }


def _former(content: Mapping[str, Any], studies: Mapping[str, Any]) -> Former:
    """The block `former` of a plan, and of its studies."""
    block = content["former"]
    return Former(
        slots=_configs(block["slots"]),
        waiting=_waiting(block["slots"]),
        searches=_searches(block["searches"]),
        studies={
            study: tuple(tuple(call) for call in found["former"])
            for study, found in studies.items()
        },
    )


def _plugin_checks(content: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """The block `plugin_checks` of a plan, which those of older stores lack."""
    return {title: tuple(lines) for title, lines in content.get("plugin_checks", {}).items()}


def _configs(slots: Mapping[str, Mapping[str, Any]]) -> dict[str, RunConfig]:
    """The active run of every slot."""
    return {slot: RunConfig.from_json(entry["config"]) for slot, entry in slots.items()}


def _searches(block: Iterable[dict[str, Any]]) -> tuple[Search, ...]:
    names = ("own_dimensions", "shared_dimensions")
    return tuple(Search(**s | {name: tuple(s[name]) for name in names}) for s in block)


def _waiting(slots: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The reasons of the slots without a run."""
    return {slot: entry["reason"] for slot, entry in slots.items() if entry["run_id"] is None}


def _left(calls: Iterable[Iterable[str]], members: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """The slots of each call but for `members`; no call without any."""
    known = set(members)
    left = (tuple(slot for slot in call if slot not in known) for call in calls)
    return tuple(call for call in left if call)
