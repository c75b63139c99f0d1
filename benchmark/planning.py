"""From what the user asked for to the cells of a plan; cells that studies share are run once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from benchmark.config import ConfigError, RunConfig
from benchmark.hyperparameters import defaults, with_tuned
from benchmark.protocol import TUNING
from benchmark.studies import BASELINE, REFERENCE, STUDIES, WORLDS, Change
from datasets import catalog
from models.registry import plugin_digests

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from benchmark.config import EmbeddingOptimizer
    from benchmark.plans import Stage
    from benchmark.protocol import Preset, Protocol
    from datasets.prepare import PreparedData


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What the user asked for; `data` are the words of --data, no `num_seeds` the preset's."""

    preset: Preset
    studies: Sequence[str]
    data: Sequence[str]
    world_rows: int
    backbones: Sequence[str]
    methods: Sequence[str]
    num_trials: int
    num_seeds: int | None
    embedding_optimizer: EmbeddingOptimizer

    def protocol_of(self, log: str) -> Protocol:
        """The protocol for a word of --data."""
        own = self.preset.production if catalog.source_of(log)[0] in WORLDS else None
        return own or self.preset.protocol

    def seeds_of(self, study: str) -> int:
        """How many seeds each cell of a study has."""
        return self.num_seeds or self.preset.seeds_of(study)


class SearchKey(NamedTuple):
    """Which search a cell takes its values from; without a method it is that of the backbone."""

    log: str  # in the words of --data
    backbone: str
    method: str

    @property
    def stage(self) -> Stage:
        """What is tuned."""
        return "method" if self.method else "backbone"


PlannedCell = tuple[str, str, Change]  # log, backbone, change


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The cells of a call before any tuning, in order, and what belongs to them.

    `bases` are the cells that searches vary, those of backbones first, with `num_trials` each.
    """

    preset: str
    num_trials: int
    slots: Mapping[str, RunConfig]
    studies: Mapping[str, tuple[str, ...]]
    logs: Mapping[str, PreparedData]  # of each slot id
    search_of: Mapping[str, SearchKey]  # of each slot id
    bases: Mapping[SearchKey, RunConfig]
    data: Mapping[str, PreparedData]  # by their words in --data


def logs_of(name: str, selection: Selection) -> list[str]:
    """The logs of a study, in the words of `--data`; of its worlds those named there come first."""
    study = STUDIES[name]
    if name not in selection.studies:
        return []
    if study.worlds:
        has_cells = study.changes_of(selection.methods, 1)
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
    """The models of a study as backbone and change, as far as their methods are selected."""
    study = STUDIES[name]
    if study.references:
        return [(reference, Change(method=REFERENCE)) for reference in study.references]
    changes = study.changes_of(selection.methods, num_domain_columns)[
        : selection.preset.max_changes
    ]
    if not changes and not study.compares_all:
        return []
    needed = {BASELINE, *(change.match or change.method for change in changes)}
    if study.compares_all:
        needed = set(selection.methods)
    mains = [Change(method=method) for method in selection.methods if method in needed]
    backbones = selection.backbones if study.compares_all else selection.backbones[:1]
    return [(backbone, change) for backbone in backbones for change in (*mains, *changes)]


def search_log(name: str, log: str, selection: Selection) -> str:
    """The log on which the values of a study's cells are searched.

    It is the cells' own log if that is in --data, or if every log is tuned; else the first log of
    --data that the study is on, or the study's first one.
    """
    if log in selection.data or selection.preset.tunes_every_log:
        return log
    return logs_of(name, selection)[0]  # those of --data come first


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
    if study.has_blind_controls or study.is_nested:
        columns = ", and a partition of several columns" if study.is_nested else ""
        return f"{name} needs a method beside {BASELINE}{columns}"
    changed = ", ".join(sorted({change.match or change.method for change in study.changes}))
    return (
        f"{name} needs one of the methods {changed}, and where it changes domains or tasks a"
        " partition of several columns"
    )


def lay_out(selection: Selection, data: Mapping[str, PreparedData]) -> Layout:
    """All cells and searches of a call.

    Study by study, the main table first, and in a study seed by seed so that it grows evenly. A
    study that is not part of the call has no slots.

    Args:
        selection: what the user asked for.
        data: the prepared logs, by their words in `--data`.

    Raises:
        ConfigError: there is no cell.
    """
    slots: dict[str, RunConfig] = {}
    logs: dict[str, PreparedData] = {}
    search_of: dict[str, SearchKey] = {}
    studies: dict[str, tuple[str, ...]] = {}
    for name in STUDIES:
        members: dict[str, RunConfig] = {}
        cells = _cells(name, selection, data)
        for seed in range(1, selection.seeds_of(name) + 1):
            for first, log, key in cells:
                config = replace(first, seed=seed)
                members[config.slot_id] = config
                logs[config.slot_id] = data[log]
                search_of.setdefault(config.slot_id, key)
        slots |= members
        studies[name] = tuple(members)
    check_not_empty(selection, slots)
    return Layout(
        preset=selection.preset.name,
        num_trials=selection.num_trials,
        slots=slots,
        studies=studies,
        logs=logs,
        search_of=search_of,
        bases=_bases(selection, data, list(search_of.values())) if selection.num_trials else {},
        data=data,
    )


def _cells(
    name: str, selection: Selection, data: Mapping[str, PreparedData]
) -> list[tuple[RunConfig, str, SearchKey]]:
    """The cells of a study with their logs and searches; equal logs have one search."""
    first_words: dict[str, str] = {}
    for word, log in data.items():
        first_words.setdefault(log.fingerprint, word)

    def search_key(log: str, backbone: str, method: str) -> SearchKey:
        fingerprint = data[search_log(name, log, selection)].fingerprint
        return SearchKey(first_words[fingerprint], backbone, method)

    return [
        (
            _configure_change(selection, log, data[log], backbone, change),
            log,
            search_key(log, backbone, change.method),
        )
        for log in logs_of(name, selection)
        for backbone, change in models_of(name, selection, len(data[log].spec.partition.columns))
    ]


def _bases(
    selection: Selection, data: Mapping[str, PreparedData], keys: Sequence[SearchKey]
) -> dict[SearchKey, RunConfig]:
    """The cells that the searches of these keys vary, the backbones' first."""
    return {
        key: replace(
            configure(selection, key.log, data[key.log], key.backbone, _main(key.method)),
            seed=TUNING.training_seed,
        )
        for key in searches_of(keys)
    }


def searches_of(keys: Sequence[SearchKey]) -> list[SearchKey]:
    """The searches that cells of these keys need, the backbones' first."""
    networks = [key for key in keys if key.method != REFERENCE]
    backbones = [SearchKey(key.log, key.backbone, "") for key in networks]
    return list(dict.fromkeys([*backbones, *keys]))


def _main(method: str) -> Change:
    return Change(method=method or BASELINE)


def configure(
    selection: Selection, log: str, data: PreparedData, backbone: str, change: Change
) -> RunConfig:
    """One cell of the first seed with the papers' values, apart from what its study pins."""
    domain_columns, task = _seen(data, change)
    values = defaults(backbone, change.method)
    config = RunConfig(
        dataset=data.spec.name,
        data_fingerprint=data.fingerprint,
        split=data.card["split_kind"],
        features=(*data.schema.fields, *data.schema.bags),
        partition=data.spec.partition.columns,
        domain_columns=domain_columns,
        task=task,
        protocol=selection.protocol_of(log),
        backbone=backbone,
        method=change.method,
        seed=1,
        embedding_optimizer=selection.embedding_optimizer,
        backbone_config=values.backbone_config,
        method_config=values.method_config,
        regularisers=values.regularisers,
        pinned=dict(change.pinned),
        plugins=plugin_digests(backbone, change.method),
        labels=change.labels,
    )
    return with_tuned(config, values)


def _seen(data: PreparedData, change: Change) -> tuple[tuple[str, ...], str]:
    """The domain columns and the task of a change."""
    spec = data.spec
    if change.ids == "blind":
        return (), ""
    if change.num_columns:
        columns = spec.domain_columns[: change.num_columns]
        return columns, "+".join(columns)
    task = spec.partition.name if change.ids == "partition_as_task" else spec.representative
    return spec.partition.columns, task


def _configure_change(
    selection: Selection, log: str, data: PreparedData, backbone: str, change: Change
) -> RunConfig:
    """The same, with scaled hidden layers where the change asks for them."""
    config = configure(selection, log, data, backbone, change)
    if not change.match:
        return config
    from benchmark.matching import dense_parameters, matched  # torch is slow to import

    other = configure(selection, log, data, backbone, Change(method=change.match))
    return matched(config, dense_parameters(other, data.schema), data.schema)
