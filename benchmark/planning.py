"""From what the user asked for to the cells of a plan; cells that studies share are run once."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from benchmark.config import ConfigError, Regularisers, RunConfig
from benchmark.records import Plan
from benchmark.studies import BASELINE, STUDIES, Change
from datasets import catalog
from models.registry import load_backbone, load_method, plugin_digests

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from benchmark.config import EmbeddingOptimizer
    from benchmark.protocol import Preset
    from datasets.prepare import PreparedData


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What the user asked for; `data` are the words of --data."""

    preset: Preset
    studies: Sequence[str]
    data: Sequence[str]
    world_rows: int
    backbones: Sequence[str]
    methods: Sequence[str]
    num_seeds: int
    embedding_optimizer: EmbeddingOptimizer


def logs_of(name: str, selection: Selection) -> list[str]:
    """The logs of a study, in the words of `--data`; of its worlds those named there come first."""
    study = STUDIES[name]
    if name not in selection.studies:
        return []
    if study.worlds:
        has_cells = study.changes_of(selection.methods)
        worlds = sorted(study.worlds, key=lambda world: world not in selection.data)
        return worlds[: selection.preset.num_worlds] if has_cells else []
    logs = dict.fromkeys(selection.data)
    return [
        log for log in logs if not study.needs_truth or catalog.is_world(catalog.source_of(log)[0])
    ]


def logs_to_prepare(selection: Selection) -> list[str]:
    """The logs of `--data`, then those that studies add."""
    added = [log for name in STUDIES for log in logs_of(name, selection)]
    return list(dict.fromkeys([*selection.data, *added]))


def models_of(name: str, selection: Selection, num_domain_columns: int) -> list[tuple[str, Change]]:
    """The models of a study as backbone and change, as far as their methods are selected.

    With one domain column the partition and its representative are the same, and what only differs
    in them is the main cell.
    """
    study = STUDIES[name]
    changes = [
        change
        for change in study.changes_of(selection.methods)
        if num_domain_columns > 1 or not change.needs_columns
    ]
    needed = {BASELINE, *(change.match or change.method for change in changes)}
    if study.compares_all:
        needed = set(selection.methods)
    elif not changes:
        return []
    mains = [Change(method=method) for method in selection.methods if method in needed]
    backbones = selection.backbones[:1] if study.on_first_backbone_only else selection.backbones
    return [(backbone, change) for backbone in backbones for change in (*mains, *changes)]


def check_not_empty(selection: Selection, cells: Collection[object]) -> None:
    """Refuse a plan without cells.

    Raises:
        ConfigError: the selected studies are on other logs, or change other methods, than selected.
    """
    if not cells:
        reasons = "; ".join(_needs_of(name) for name in selection.studies)
        raise ConfigError(
            f"--only {','.join(selection.studies)} --data {' '.join(selection.data)} --methods"
            f" {' '.join(selection.methods)}: no cell is left; {reasons}"
        )


def _needs_of(name: str) -> str:
    """What a study cannot do without."""
    study = STUDIES[name]
    if study.needs_truth:
        worlds = ", ".join(log for log in catalog.available() if catalog.is_world(log))
        return f"{name} needs a generated log in --data, one of {worlds}"
    if study.has_blind_controls:
        return f"{name} needs a method beside {BASELINE}"
    changed = ", ".join(sorted({change.match or change.method for change in study.changes}))
    return (
        f"{name} needs one of the methods {changed}, and where it changes domains or tasks a"
        " partition of several columns"
    )


def make_plan(
    selection: Selection, logs: Mapping[str, PreparedData]
) -> tuple[Plan, Mapping[str, PreparedData]]:
    """The plan of all cells, and the log of each slot.

    Study by study, the main table first, and in a study seed by seed so that it grows evenly. A
    study that is not part of the call has no slots.

    Args:
        selection: what the user asked for.
        logs: the prepared logs, by their words in `--data`.

    Raises:
        ConfigError: there is no cell.
    """
    slots: dict[str, RunConfig] = {}
    log_of_slot: dict[str, PreparedData] = {}
    studies: dict[str, tuple[str, ...]] = {}
    for name in STUDIES:
        cells = [
            (_configure_change(selection, data, backbone, change), data)
            for data in map(logs.__getitem__, logs_of(name, selection))
            for backbone, change in models_of(name, selection, len(data.spec.partition.columns))
        ]
        members: dict[str, RunConfig] = {}
        for seed in range(1, selection.num_seeds + 1):
            for first, data in cells:
                config = replace(first, seed=seed)
                members[config.slot_id] = config
                log_of_slot[config.slot_id] = data
        slots |= members
        studies[name] = tuple(members)
    check_not_empty(selection, slots)
    return Plan(preset=selection.preset.name, slots=slots, studies=studies), log_of_slot


def configure(selection: Selection, data: PreparedData, backbone: str, change: Change) -> RunConfig:
    """One cell of the first seed; what its study does not pin has the default value."""
    domain_columns, task = _seen(data, change)
    return RunConfig(
        dataset=data.spec.name,
        data_fingerprint=data.fingerprint,
        split=data.card["split_kind"],
        features=(*data.schema.fields, *data.schema.bags),
        partition=data.spec.partition.columns,
        domain_columns=domain_columns,
        task=task,
        protocol=selection.preset.protocol,
        backbone=backbone,
        method=change.method,
        seed=1,
        embedding_optimizer=selection.embedding_optimizer,
        backbone_config=asdict(load_backbone(backbone).config()),
        method_config=asdict(load_method(change.method).config(**change.pinned)),
        regularisers=Regularisers(),
        pinned=dict(change.pinned),
        plugins=plugin_digests(backbone, change.method),
    )


def _seen(data: PreparedData, change: Change) -> tuple[tuple[str, ...], str]:
    """The domain columns and the task of a change."""
    spec = data.spec
    if change.ids == "blind":
        return (), ""
    is_restricted = change.ids == "representative_as_domain"
    columns = (spec.representative,) if is_restricted else spec.partition.columns
    task = spec.partition.name if change.ids == "partition_as_task" else spec.representative
    return columns, task


def _configure_change(
    selection: Selection, data: PreparedData, backbone: str, change: Change
) -> RunConfig:
    """The same, with scaled hidden layers where the change asks for them."""
    config = configure(selection, data, backbone, change)
    if not change.match:
        return config
    from benchmark.matching import dense_parameters, matched  # torch is slow to import

    other = configure(selection, data, backbone, Change(method=change.match))
    return matched(config, dense_parameters(other, data.schema), data.schema)
