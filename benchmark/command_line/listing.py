"""Answers that need no run: what there is, and what is done."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.planning.studies import STUDIES
from benchmark.protocol import PRESETS
from benchmark.store.environment import ROOT
from benchmark.store.failures import failures
from benchmark.store.plan import read_plan
from benchmark.store.remarks import remarks_on
from benchmark.store.trials import read_trials
from datasets import catalog
from models.registry import available

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmark.store.plan import Plan
    from benchmark.store.records import RunStore, SlotState
    from datasets.spec import SplitKind

SPLIT_WORDS: dict[SplitKind, str] = {
    "time": "split by time",
    "shuffle": "split by a seeded shuffle (no timestamp)",
    "shuffled": "the same rows split by a seeded shuffle",
    "cut 1": "the first 80% of the rows split by time",
    "cut 2": "80% of the rows from 10% on split by time",
    "cut 3": "the last 80% of the rows split by time",
}
LISTS = ("datasets", "backbones", "methods", "presets", "studies", "figures", "tables")


def listing(kind: str) -> list[str]:
    """One line for each thing of a kind of `LISTS`."""
    if kind == "presets":
        return [f"{preset.name}: {preset.summary}" for preset in PRESETS.values()]
    if kind == "studies":
        return [f"{name}: {study.summary}" for name, study in STUDIES.items()]
    if kind in ("figures", "tables"):
        return sorted(path.stem for path in Path(ROOT, "reports", kind).glob("[!_]*.py"))
    if kind == "datasets":
        return list(catalog.available())
    return list(available("backbones" if kind == "backbones" else "methods"))


def status_lines(store: RunStore) -> list[str]:
    """The numbers of the last plan's trials and cells that are done, failed and missing, and why.

    Raises:
        RecordError: there is no plan.
    """
    plan = read_plan(store.out)
    states: dict[str, SlotState] = {
        slot: plan.state_of(slot) or store.state(config) for slot, config in plan.slots.items()
    }
    lines = [f"{store.out}: preset {plan.preset}, {_count(list(states.values()))}"]
    lines += _search_lines(store.out, plan)
    for study in STUDIES:
        members = [states[slot] for slot in plan.studies.get(study, ()) if slot in states]
        lines += [f"  {study}: {_count(members)}"] if members else []
    return lines + [f"failed: {line}" for line in failures(store, plan)]


def _search_lines(out: Path, plan: Plan) -> list[str]:
    """The numbers of trials of all searches by state, or the folder of tuned values."""
    if plan.tuned_from:
        return [f"  tuned values from {plan.tuned_from}"]
    planned = sum(search.num_trials for search in plan.searches)
    trials = [
        trial
        for search in plan.searches
        for trial in read_trials(out / search.folder, search.num_trials)
    ]
    failed = sum(trial.state == "failed" for trial in trials)
    return [
        f"  tuning: {planned} trials: {len(trials) - failed} done, {failed} failed,"
        f" {planned - len(trials)} missing"
    ]


def _count(states: Sequence[SlotState]) -> str:
    count = Counter(states)
    return (
        f"{len(states)} cells: {count['done']} done, {count['failed']} failed,"
        f" {count['missing']} missing"
    )


def card_lines(card: Mapping[str, Any]) -> list[str]:
    """Lines on a log as it was read: rows and clicks by split, times, and odd findings."""
    name, rows, rates = card["name"], card["rows"], card["base_rate"]
    splits = [f"{split} {rows[split]:,} rows, {rates[split]:.2%} clicks" for split in rows]
    lines = [f"{name}: {'; '.join(splits)}; {SPLIT_WORDS[card['split_kind']]}"]
    if card["train_rows_dropped_by_cap"]:
        kind = "other" if card["split_kind"].startswith("shuffle") else "earliest"
        lines.append(f"the {card['train_rows_dropped_by_cap']:,} {kind} train rows are left out")
    times = [f"{split} {first} to {last}" for split, (first, last) in card["times"].items()]
    lines += [f"times ({card['timestamp']}): {'; '.join(times)}"] if times else []
    named = [part for part in card["counts"] if part["column"]]
    counts = [f"{part['here']:,} {part['what']} ({part['column']})" for part in named]
    lines += [", ".join(counts)] if counts else []
    lines += [card["published"]["remark"]] if card["published"] else []
    lines += [*card["overlap_lines"], *remarks_on(card)]
    if count := card["duplicate_rows"]:
        share = f"{count / card['rows_in_log']:.2%}"
        lines.append(f"{count:,} rows ({share}) repeat an earlier one in all columns that are read")
    return [f"  {line}" for line in lines]
