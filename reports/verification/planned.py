"""The plan of a store: names, states, a protocol per log, the same runs for all of a study."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from benchmark.config import RunConfig, digest_of, log_name
from benchmark.protocol import SETTING_WORDS, TUNING, Protocol, base_of, setting_of
from benchmark.store.files import RecordError, named_damage, read_json
from benchmark.store.plan import PLAN, Plan
from benchmark.store.records import RECORD, RunStore
from reports.reading.findings import Findings

MOST_NAMED = 3  # unfinished runs
Value = TypeVar("Value", bound=Hashable)


def check_plan(store: RunStore, plan: Plan, findings: Findings) -> None:
    """Check the plan on its own and against the marks of the runs."""
    path = store.out / PLAN
    try:
        content = read_json(path)
        with named_damage(path):
            for slot, entry in content["slots"].items():
                _check_slot(store, plan, slot, entry, findings)
    except RecordError as error:
        findings.damaged(path, error)
    unknown = {
        slot: study
        for study, slots in plan.studies.items()
        for slot in set(slots) - plan.slots.keys()
    }
    for slot, study in sorted(unknown.items()):
        file = store.out / "studies" / f"{study}.json"
        findings.differs(file, "slot", slot, "none of plan.json")
    _note_gaps(store, plan, findings)
    _check_protocols(store, plan, findings)
    _check_replicates(store, plan, findings)
    _check_draws(store, plan, findings)


def protocols_of(plan: Plan) -> dict[str, Protocol]:
    """The protocol of each log by its `log_key`: that of most cells."""
    return {
        key: _usual([config.protocol for config in _unvaried(_unmatched(configs))])
        for key, configs in _by_log(plan.slots.values()).items()
    }


def log_key(config: RunConfig) -> str:
    """The key that the cells of a real log, or of all draws of a generated one, share."""
    return digest_of({**config.family, "partition": list(config.partition)})


def _check_slot(
    store: RunStore, plan: Plan, slot: str, entry: Mapping[str, object], findings: Findings
) -> None:
    """The names of a slot and of its run, and its mark."""
    config, path = plan.slots[slot], store.out / PLAN
    findings.compare(path, f"slot of {config.title}", slot, config.slot_id)
    if slot in plan.waiting:
        return
    findings.compare(path, f"run_id of {config.title}", entry["run_id"], config.run_id)
    state = store.marked_state(config)
    if entry["state"] == "done" and state != "done":
        findings.differs(store.run_folder(config) / RECORD, "record", "done in plan.json", state)


def _note_gaps(store: RunStore, plan: Plan, findings: Findings) -> None:
    """Say which cells of the plan have no finished run: their pairs are not complete."""
    gaps: defaultdict[str, list[str]] = defaultdict(list)
    for slot, config in plan.slots.items():
        if slot in plan.waiting:
            gaps["waiting for tuning"].append(config.title)
        else:
            gaps[store.marked_state(config)].append(config.title)
    for state in sorted(gaps.keys() - {"done"}):
        titles = gaps[state]
        more = f" and {len(titles) - MOST_NAMED} others" if len(titles) > MOST_NAMED else ""
        findings.note(
            f"{len(titles)} of {len(plan.slots)} planned runs are {state}:"
            f" {', '.join(titles[:MOST_NAMED])}{more}"
        )


def _check_protocols(store: RunStore, plan: Plan, findings: Findings) -> None:
    """One protocol, split, set of features and embedding optimiser per log."""
    for configs in _by_log(plan.slots.values()).values():
        kept = [_comparable(config) for config in configs]
        names = dict.fromkeys(name for facts in kept for name in facts)
        usual = {name: _usual([f[name] for f in kept if name in f]) for name in names}
        for config, facts in zip(configs, kept, strict=True):
            for name, value in facts.items():
                what = f"{name} of {config.title}"
                findings.compare(store.out / PLAN, what, value, usual[name])


def _unmatched(configs: Sequence[RunConfig]) -> Sequence[RunConfig]:
    """The cells with their log's own hidden layers; all where every cell's are scaled."""
    return [config for config in configs if not config.matched_to] or configs


def _unvaried(configs: Sequence[RunConfig]) -> Sequence[RunConfig]:
    """The cells with their preset's values of the protocol; all where none has them."""
    own = [c for c in configs if not setting_of(c.protocol, base_of(c.protocol))]
    return own or configs


def _comparable(config: RunConfig) -> dict[str, Hashable]:
    """The facts of a cell that no study changes; a changed protocol is named so."""
    base = base_of(config.protocol)
    is_changed = config.protocol.name != base.name
    values = {name: getattr(base, name) for name in SETTING_WORDS if is_changed}
    return {
        "protocol": replace(config.protocol, name="", hidden_dims=(), **values),
        **({} if config.has_split_variant else {"split": config.split}),
        "features": config.features,
        "partition": config.partition,
        "embedding_optimizer": config.embedding_optimizer,
        **({} if config.matched_to else {"hidden_dims": config.protocol.hidden_dims}),
    }


def _check_replicates(store: RunStore, plan: Plan, findings: Findings) -> None:
    """Every cell of a study and log has the same draws and seeds, so that pairs are complete."""
    for study, slots in plan.studies.items():
        known = [plan.slots[slot] for slot in slots if slot in plan.slots]
        for configs in _by_log(known).values():
            runs: defaultdict[str, set[str]] = defaultdict(set)
            titles: dict[str, str] = {}
            for config in configs:
                cell = _without_replicate(config).slot_id
                runs[cell].add(config.replicate)
                titles.setdefault(cell, config.title_without_seed)
            usual = _usual([tuple(sorted(found)) for found in runs.values()])
            for cell, found in runs.items():
                what = f"draws and seeds of {titles[cell]} in {study}"
                findings.compare(store.out / PLAN, what, tuple(sorted(found)), usual)


def _without_replicate(config: RunConfig) -> RunConfig:
    """The configuration that the runs of a cell share."""
    if config.draw is None:
        return replace(config, seed=0)
    return replace(config, seed=0, draw=0, data_fingerprint="")


def _check_draws(store: RunStore, plan: Plan, findings: Findings) -> None:
    """Searches of generated logs are on the draw that is kept for them, and no cell is on it."""
    path = store.out / PLAN
    for search in plan.searches:
        if search.draw is None:
            continue
        findings.compare(path, f"draw of the search of {search.title}", search.draw, TUNING.draw)
        kept = log_name(search.dataset, TUNING.draw)
        on_it = [config.title for config in plan.slots.values() if config.log == kept]
        findings.compare(path, f"cells on {kept}", ", ".join(on_it[:MOST_NAMED]), "")


def _by_log(configs: Iterable[RunConfig]) -> dict[str, list[RunConfig]]:
    """The cells by the `log_key` of their log."""
    logs: defaultdict[str, list[RunConfig]] = defaultdict(list)
    for config in configs:
        logs[log_key(config)].append(config)
    return dict(logs)


def _usual(values: Sequence[Value]) -> Value:
    """The most frequent value, the first of equally frequent ones."""
    return Counter(values).most_common(1)[0][0]
