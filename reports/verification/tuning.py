"""The searches of a store: seals, choices, what final runs took from them, and equal budgets."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Mapping
from pathlib import Path

from benchmark.config import Json
from benchmark.protocol import TUNING
from benchmark.store.files import RecordError, named_damage, read_sealed
from benchmark.store.plan import Plan, Search
from benchmark.store.trials import (
    BEST,
    SEARCHED,
    Trial,
    Tuned,
    best_of,
    read_best,
    read_trial,
    trial_path,
)
from reports.reading.findings import Findings
from reports.reading.folders import files_below
from reports.reading.ledger import budget_errors, read_searches
from reports.verification.planned import log_key, protocols_of

Model = tuple[str, str, str, str, int]  # data set, partition, backbone, method, search
TRIAL_NAME = re.compile(r"trial_(\d{3,})\.json")


def check_tuning(out: Path, plan: Plan, findings: Findings) -> None:
    """Check every search of the plan, every other trial, and what the final runs took."""
    seen: set[Path] = set()
    chosen: dict[Model, Tuned] = {}
    for search in plan.searches:
        seen.add(out / search.folder)
        best = _check_search(out, plan, search, findings)
        if best:
            model = (search.backbone, search.method, search.number)
            chosen[search.dataset, search.partition, *model] = best
    _check_others(out, seen, findings)
    for line in budget_errors(read_searches(out, plan)):
        findings.differences.append(f"tuning: unequal budgets: {line}")
    if plan.searches:
        _check_final_runs(plan, chosen, findings)
    elif plan.tuned_from:
        findings.note(f"tuned values were read from {plan.tuned_from}, which is not checked")


def _check_search(out: Path, plan: Plan, search: Search, findings: Findings) -> Tuned | None:
    """The values that a search chose; what is wrong with its trials and its choice is named."""
    folder = out / search.folder
    start = f"tuning/{search.log}/{search.partition}/{search.backbone}+{search.method}/"
    if not search.folder.startswith(start) or not folder.resolve().is_relative_to(out.resolve()):
        findings.differs(folder, f"folder of the search of {search.title}", search.folder, start)
        return None
    trials = _read_all(folder, findings)
    for trial in trials.values():
        _check_trial(trial_path(folder, trial.index), search, plan, trial, findings)
    planned = [trials[index] for index in range(search.num_trials) if index in trials]
    best = best_of(planned)
    if best and len(planned) == search.num_trials:
        _check_best(folder / BEST, search, best, findings)
        return Tuned.of(best.config)
    try:
        return read_best(folder / BEST)[1]
    except RecordError:
        return None  # the search is not finished, or its trials were named already


def _read_all(folder: Path, findings: Findings) -> dict[int, Trial]:
    """The readable trials of a folder by index; damaged and foreign files are named."""
    trials = {}
    for path in sorted(folder.glob("*")):
        match = TRIAL_NAME.fullmatch(path.name)
        if match:
            try:
                trial = read_trial(folder, int(match[1]))
                run_id = read_sealed(path)["run_id"]
            except RecordError as error:
                findings.damaged(path, error)
                continue
            findings.compare(path, "index", trial.index, int(match[1]))
            findings.compare(path, "run_id", run_id, trial.config.run_id)
            findings.counts["trials"] += 1
            trials[int(match[1])] = trial
        elif path.name != BEST:
            findings.foreign(path)
    return trials


def _check_trial(path: Path, search: Search, plan: Plan, trial: Trial, findings: Findings) -> None:
    """A trial is of its search's model, seed and protocol, and tried what it says."""
    config = trial.config
    where = (config.log, "+".join(config.partition), config.backbone)
    findings.compare(path, "model", where, (search.log, search.partition, search.backbone))
    findings.compare(path, "method", config.method, search.method)
    findings.compare(path, "search", config.search, search.number)
    findings.compare(path, "seed", config.seed, TUNING.training_seed)
    protocol = protocols_of(plan).get(log_key(config), config.protocol)
    findings.compare(path, "protocol", config.protocol, protocol)
    findings.compare(path, "params", sorted(trial.params), sorted(search.dimensions))
    if trial.state == "complete":
        values = Tuned.of(config).values
        for name, value in trial.params.items():
            findings.compare(path, name, values.get(name), value)


def _check_best(path: Path, search: Search, best: Trial, findings: Findings) -> None:
    """`best.json` is the best trial of the search."""
    try:
        content = read_sealed(path)
        _, tuned = read_best(path)
        with named_damage(path):
            for name in SEARCHED:
                findings.compare(path, name, content[name], getattr(search, name))
            findings.compare(path, "search", content["search"], search.number)
            findings.compare(path, "protocol", content["protocol"], best.config.protocol.name)
            findings.compare(path, "index", content["index"], best.index)
            findings.compare(path, "value", content["value"], best.value)
    except RecordError as error:
        findings.damaged(path, error)
        return
    for name, (stored, recomputed) in _differing(tuned, Tuned.of(best.config)).items():
        findings.differs(path, name, stored, recomputed)


def _check_others(out: Path, seen: set[Path], findings: Findings) -> None:
    """Read the searches of former calls too; nothing else is below `tuning`."""
    folders: defaultdict[Path, list[str]] = defaultdict(list)
    for path in files_below(out / "tuning"):
        folders[path.parent].append(path.name)
    for folder in sorted(folders.keys() - seen):
        if any(TRIAL_NAME.fullmatch(name) for name in folders[folder]):
            findings.note(f"{findings.name_of(folder)}: plan.json does not have this search")
            _read_all(folder, findings)
        else:
            for name in folders[folder]:
                findings.foreign(folder / name)


def _check_final_runs(plan: Plan, chosen: Mapping[Model, Tuned], findings: Findings) -> None:
    """Every run has the values that the search of its model chose, but for what a study pins.

    A log without searches of its own has the values of another log of the plan.
    """
    for slot, config in plan.slots.items():
        if slot in plan.waiting:
            continue
        path = findings.root / "runs" / "/".join(config.folder) / config.run_id
        model = (config.backbone, config.method, config.search)
        key = (config.dataset, "+".join(config.partition), *model)
        others = [values for name, values in chosen.items() if name[2:] == key[2:]]
        options = [chosen[key]] if key in chosen else others
        found = Tuned.of(config)
        differing = [_differing(found, option, config.pinned) for option in options]
        if not options:
            findings.differs(path, "hyper-parameters", "tuned ones", "no search chose any")
        elif all(differing):
            for name, (stored, recomputed) in differing[0].items():
                findings.differs(path, name, stored, recomputed)


def _differing(
    found: Tuned, expected: Tuned, pinned: Collection[str] = ()
) -> dict[str, tuple[Json, Json]]:
    """Found and expected value of every hyper-parameter that differs and is not pinned."""
    here, there = found.values, expected.values
    fixed = {f"method.{name}" for name in pinned}
    return {
        name: (here.get(name), there.get(name))
        for name in sorted((here.keys() | there.keys()) - fixed)
        if here.get(name) != there.get(name)
    }
