"""Answers that need no run: what there is, and what is done."""

from __future__ import annotations

import ast
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
from datasets.spec import DataError
from models.facts import Facts
from models.registry import available, plugins

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmark.store.plan import Plan
    from benchmark.store.records import RunStore, SlotState
    from datasets.spec import SplitKind
    from models.registry import Kind

SPLIT_WORDS: dict[SplitKind, str] = {
    "time": "split by time",
    "shuffle": "split by a seeded shuffle (no timestamp)",
    "shuffled": "the same rows split by a seeded shuffle",
    "cut 1": "the first 80% of the rows split by time",
    "cut 2": "80% of the rows from 10% on split by time",
    "cut 3": "the last 80% of the rows split by time",
}
LISTS = {
    "datasets": "logs that can be run",
    "backbones": "networks, each of which every method runs on",
    "methods": "ways to adapt a network to domains",
    "presets": "budgets of a call",
    "studies": "questions that a call answers",
    "figures": "figures of the report",
    "tables": "tables of the report",
}


def listing(kind: str) -> list[str]:
    """What there is of a kind of `LISTS`, or the kinds if it is empty.

    A thing is described by the first line of its file, which is not imported; its paper and its
    files come below it.
    """
    if not kind:
        return [f"--list {name}: {what}" for name, what in LISTS.items()]
    if kind == "presets":
        return [f"{preset.name}: {preset.summary}" for preset in PRESETS.values()]
    if kind == "studies":
        return [f"{name}: {study.summary}" for name, study in STUDIES.items()]
    lines = []
    for name, path in files_of(kind).items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        text = (ast.get_docstring(tree) or "no description").splitlines()[0]
        lines.append(f"{name}: {text.removesuffix('.')}")
        more = _data_lines(name) if kind == "datasets" else _papers_in(tree)
        lines += [f"  {line}" for line in more]
    return lines


def files_of(kind: str) -> dict[str, Path]:
    """The things of a kind of `LISTS` by name, each with its file."""
    if kind == "datasets":
        return {name: _file_of("datasets/catalog", name) for name in catalog.available()}
    if kind in ("figures", "tables"):
        return {path.stem: path for path in sorted(Path(ROOT, "reports", kind).glob("[!_]*.py"))}
    own: Kind = "backbones" if kind == "backbones" else "methods"
    names = {name: _file_of(f"models/{own}", name) for name in available(own)}
    return names | {name: Path(path) for name, path in plugins()[own].items()}


def _file_of(folder: str, name: str) -> Path:
    path = ROOT / folder / f"{name}.py"
    return path if path.exists() else ROOT / folder / name / "__init__.py"


def _papers_in(tree: ast.Module) -> list[str]:
    """The papers that the `Facts` in a file name."""
    return [
        str(word.value.value)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == Facts.__name__
        for word in call.keywords
        if word.arg == "paper" and isinstance(word.value, ast.Constant)
    ]


def _data_lines(name: str) -> list[str]:
    """The citation of a log, and where its files are or how they are had."""
    entry = catalog.load(name)
    source = entry.spec.source
    citation = [source.citation] if source.citation else []
    if source.way == "nothing to fetch":
        return [*citation, "files: none, it is generated"]
    try:
        entry.read_raw(entry.default_dir)
    except DataError:
        by_hand = f"python -m datasets.download {name} says where to get them"
        how = "--download fetches them" if source.way == "download" else by_hand
        return [*citation, f"files: not there; {how}"]
    return [*citation, f"files: in {entry.default_dir}"]


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
