"""What MLflow is told of a plan and of former calls on its folder, as plain values.

A parent is a cell: the slots that differ in seed and draw alone. Its children are the trials of its
search and its final runs, those that have ended. Knows no MLflow.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING, Literal

import numpy as np

from benchmark.config import digest_of
from benchmark.store.trials import best_of, read_trials
from benchmark.tracking.children import KEY_LENGTH, base_tags, final_child, trial_child

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from benchmark.config import Json, RunConfig
    from benchmark.protocol import Protocol
    from benchmark.store.plan import Plan, Search
    from benchmark.store.records import RunStore
    from benchmark.store.trials import Trial
    from benchmark.tracking.children import Child

Status = Literal["RUNNING", "FINISHED", "FAILED"]
Terms = tuple[str, tuple[str, ...], "Protocol"]
OWN = ("seed", "draw", "data_fingerprint")  # of the runs of a cell
HYPER_PARAMETERS = ("backbone_config", "method_config", "regularisers")
MAIN = "main"  # the study whose best cell is the winner


@dataclass(slots=True, kw_only=True)
class Parent:
    """A cell; `search` is the folder of its trials.

    `is_main` if it competes for the winner. It is FAILED if all has ended and a final run failed.
    """

    key: str
    name: str
    config: RunConfig  # of one of its children
    studies: set[str] = field(default_factory=set)
    search: str = ""
    is_main: bool = False
    status: Status = "FINISHED"
    metrics: dict[str, float] = field(default_factory=dict)
    children: list[Child] = field(default_factory=list)

    @property
    def finals(self) -> list[Child]:
        """The final runs that are done, by draw and seed."""
        done = [child for child in self.children if child.is_final and not child.is_failed]
        return sorted(done, key=lambda child: (child.config.draw or 0, child.config.seed))

    @property
    def tags(self) -> dict[str, str]:
        """What it can be found by."""
        return base_tags(self.config) | {"stage": "cell", "studies": self.studies_tag}

    @property
    def studies_tag(self) -> str:
        """The studies that read it, with commas between."""
        return ",".join(sorted(self.studies))

    @property
    def params(self) -> dict[str, str]:
        """What its children have in common."""
        content = self.config.to_json()
        return flat({name: content[name] for name in content if name not in _own(self.config)})


def parents_of(store: RunStore, plan: Plan) -> list[Parent]:
    """All of a plan and of former calls that has a child, the plan's first, in its order."""
    studies, whole = _studies_of_slots(plan), plan.whole
    main = _competing(plan.calls_of(MAIN), whole.slots)
    parents: dict[str, Parent] = {}
    for slot, config in whole.slots.items():
        key = f"cell/{group_of(config)}"
        parent = parents.setdefault(key, _cell(key, config))
        parent.studies |= studies.get(slot, set())
        parent.is_main |= slot in main
        if whole.state_of(slot) == "failed":  # its search
            parent.status = "FAILED"
        else:
            _add_final(parent, None if slot in whole.waiting else final_child(store, slot, config))
    for search in whole.searches:
        folder = store.out / search.folder
        trials = read_trials(folder, search.num_trials)
        if trials:
            key = f"cell/{group_of(trials[0].config)}"
            parent = parents.setdefault(key, _cell(key, trials[0].config))
            _add_trials(parent, folder, search, trials)
    for parent in parents.values():
        _conclude(parent)
    return [parent for parent in parents.values() if parent.children]


def winners(parents: Iterable[Parent]) -> dict[str, Child]:
    """Per data set the first seed of the main cell with the highest mean dev AUC.

    Data sets whose main cells have not all ended have none yet.
    """
    mains: dict[str, list[Parent]] = {}
    for parent in parents:
        if parent.is_main:
            mains.setdefault(parent.config.dataset, []).append(parent)
    found = {}
    for dataset, cells in mains.items():
        whole = [cell for cell in cells if cell.status == "FINISHED" and _score(cell) > -np.inf]
        if whole and all(cell.status != "RUNNING" for cell in cells):
            found[dataset] = max(whole, key=_score).finals[0]
    return found


def group_of(config: RunConfig) -> str:
    """What the slots of a cell have in common: all but seed, draw and what is tuned."""
    content = config.identity()
    shared = {name: content[name] for name in content if name not in (*OWN, *HYPER_PARAMETERS)}
    return digest_of(shared | config.family)[:KEY_LENGTH]


def flat(content: Mapping[str, Json], prefix: str = "") -> dict[str, str]:
    """Nested values as texts under names with dots; lists have commas between."""
    names: dict[str, str] = {}
    for name, value in content.items():
        if isinstance(value, dict):
            names |= flat(value, f"{prefix}{name}.")
        elif isinstance(value, list):
            names[f"{prefix}{name}"] = ",".join(map(str, value))
        else:
            names[f"{prefix}{name}"] = str(value)
    return names


def _cell(key: str, config: RunConfig) -> Parent:
    changes = f" ({', '.join(config.changes)})" if config.changes else ""
    name = f"{config.model}{changes}, {'+'.join(config.partition)}"  # lists cut long names short
    return Parent(key=key, name=name, config=config)


def _own(config: RunConfig) -> tuple[str, ...]:
    """What the children of a cell do not share, and plug-ins if there are none."""
    own = OWN if config.draw is not None else ("seed",)
    return (*own, *HYPER_PARAMETERS, *(() if config.plugins else ("plugins",)))


def _studies_of_slots(plan: Plan) -> dict[str, set[str]]:
    """The studies of every slot, those of former calls on this folder too."""
    studies: dict[str, set[str]] = {}
    for study in {*plan.studies, *plan.former.studies}:
        for slot in chain.from_iterable(plan.calls_of(study)):
            studies.setdefault(slot, set()).add(study)
    return studies


def _competing(calls: Sequence[Collection[str]], slots: Mapping[str, RunConfig]) -> set[str]:
    """The main slots among which a winner is chosen; none where the cell of one is not known.

    Per data set those that can be compared with the latest call's, former ones too.

    Args:
        calls: the main slots call by call, the latest first.
        slots: the runs of all slots.
    """
    main = set(chain.from_iterable(calls))
    if not main <= slots.keys():
        return set()
    terms: dict[str, set[Terms]] = {}
    for call in calls:
        of_call: dict[str, set[Terms]] = {}
        for config in (slots[slot] for slot in call):
            of_call.setdefault(config.dataset, set()).add(_terms_of(config))
        terms = of_call | terms  # a later call's stay
    return {slot for slot in main if _terms_of(slots[slot]) in terms[slots[slot].dataset]}


def _terms_of(config: RunConfig) -> Terms:
    """What scores must have in common to be compared: log, domains, protocol but for its name."""
    return digest_of(config.family), config.partition, replace(config.protocol, name="")


def _add_final(parent: Parent, final: Child | None) -> None:
    if final is None:
        parent.status = "RUNNING"
        return
    parent.children.append(final)
    if final.is_failed and parent.status == "FINISHED":
        parent.status = "FAILED"


def _add_trials(parent: Parent, folder: Path, search: Search, trials: list[Trial]) -> None:
    if parent.search:  # a later one has replaced this one
        return
    parent.search = search.folder
    parent.children += [trial_child(folder, search, trial) for trial in trials]
    if len(trials) < search.num_trials:
        parent.status = "RUNNING"
    parent.metrics["tune/trials"] = len(trials)
    parent.metrics["tune/failed_trials"] = sum(trial.state == "failed" for trial in trials)
    best = best_of(trials)
    if best and best.value is not None:
        metric = best.config.protocol.selection_metric
        parent.metrics |= {f"tune/best_dev_{metric}": best.value, "tune/best_trial": best.index}


def _conclude(parent: Parent) -> None:
    """Give a parent its means over seeds, and its children their studies."""
    studies = {"studies": parent.studies_tag}
    parent.children = [replace(child, tags={**child.tags, **studies}) for child in parent.children]
    finals = parent.finals
    parent.metrics |= {"seeds": len(finals)} if finals else {}
    for name in finals[0].metrics if finals else ():
        values = [child.metrics.get(name, np.nan) for child in finals]
        parent.metrics[f"{name}/mean"] = float(np.mean(values))
        if len(values) > 1:
            parent.metrics[f"{name}/std"] = float(np.std(values, ddof=1))


def _score(cell: Parent) -> float:
    """The mean dev AUC; below all others where it is undefined."""
    score = cell.metrics.get("dev/auc/mean", -np.inf)
    return -np.inf if np.isnan(score) else score
