"""From what the user asked for to the cells of a plan; cells that studies share are run once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from benchmark.config import REFERENCE, Regularisers, RunConfig
from benchmark.planning.hyperparameters import with_tuned
from benchmark.planning.selection import (
    Selection,
    check_not_empty,
    logs_of,
    models_of,
    search_log,
)
from benchmark.planning.studies import STUDIES, Change
from benchmark.protocol import TUNING, with_setting
from benchmark.store.trials import Tuned
from models.registry import load_method, plugin_digests

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from datasets.prepare import PreparedData
    from datasets.spec import SplitVariant


class SearchKey(NamedTuple):
    """The search that a cell takes its values from."""

    log: str  # in the words of --data
    backbone: str
    method: str
    search: int

    @property
    def change(self) -> Change:
        """The model that it varies."""
        return Change(method=self.method, search=self.search)


PlannedCell = tuple[str, str, Change]  # log, backbone, change


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The cells of a call before any tuning, in order, and what belongs to them.

    `bases` are the cells that searches vary.
    """

    selection: Selection
    slots: Mapping[str, RunConfig]
    studies: Mapping[str, tuple[str, ...]]
    logs: Mapping[str, PreparedData]  # of each slot id
    search_of: Mapping[str, SearchKey]  # of each slot id
    bases: Mapping[SearchKey, RunConfig]
    data: Mapping[str, PreparedData]  # by their words in --data


def variants_to_prepare(
    selection: Selection, data: Mapping[str, PreparedData]
) -> dict[str, tuple[str, SplitVariant]]:
    """The logs that cells need split another way than by default, by words of their own.

    Args:
        selection: what the user asked for.
        data: the prepared logs of `logs_to_prepare`, by their words.
    """
    return {
        _split_word(log, change.split): (log, change.split)
        for name in STUDIES
        for _, log, _, change in _models(name, selection, data)
        if change.split is not None
    }


def _split_word(log: str, split: SplitVariant | None) -> str:
    return log if split is None else f"{log}, {split}"


def _models(
    name: str, selection: Selection, data: Mapping[str, PreparedData]
) -> list[tuple[str, str, str, Change]]:
    """The models of a study, draw by draw: log, draw of it, backbone and change."""
    return [
        (log, draw, backbone, change)
        for log in logs_of(name, selection)
        for draw in selection.draws_of(log)
        for backbone, change in models_of(name, selection, draw, data[draw].spec)
    ]


def lay_out(selection: Selection, data: Mapping[str, PreparedData]) -> Layout:
    """All cells and searches of a call.

    Study by study, the main table first, and in a study seed by seed, and within a seed draw by
    draw, so that it grows evenly. A study that is not part of the call has no slots.

    Args:
        selection: what the user asked for.
        data: the prepared logs of `logs_to_prepare` and `variants_to_prepare`, by their words; of
            the latter those that could be prepared.

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
        most = max((selection.seeds_of(name, log) for _, log, *_ in cells), default=0)
        for seed in range(1, most + 1):
            for first, log, own, key in cells:
                if seed > selection.seeds_of(name, log):
                    continue
                config = replace(first, seed=seed)
                members[config.slot_id] = config
                logs[config.slot_id] = own
                search_of.setdefault(config.slot_id, key)
        slots |= members
        studies[name] = tuple(members)
    check_not_empty(selection, slots)
    return Layout(
        selection=selection,
        slots=slots,
        studies=studies,
        logs=logs,
        search_of=search_of,
        bases=_bases(selection, data, search_of.values()) if selection.num_trials else {},
        data=data,
    )


def _cells(
    name: str, selection: Selection, data: Mapping[str, PreparedData]
) -> list[tuple[RunConfig, str, PreparedData, SearchKey]]:
    """The cells of a study, draw by draw, with the words and rows of their logs and their searches.

    Equal logs have one search.
    """
    first_words: dict[str, str] = {}
    for word, prepared in data.items():
        first_words.setdefault(prepared.fingerprint, word)

    def search_key(log: str, backbone: str, change: Change) -> SearchKey:
        fingerprint = data[search_log(name, log, selection)].fingerprint
        return SearchKey(first_words[fingerprint], backbone, change.method, change.search)

    cells = []
    for log, draw, backbone, change in _models(name, selection, data):
        own = data.get(_split_word(draw, change.split))
        if own is None:
            continue
        config = _configure_change(selection, draw, own, backbone, change)
        if config is None:
            continue
        cells.append((config, draw, own, search_key(log, backbone, change)))
    return cells


def _bases(
    selection: Selection, data: Mapping[str, PreparedData], keys: Iterable[SearchKey]
) -> dict[SearchKey, RunConfig]:
    """The cells that the searches of these keys vary."""
    bases = {}
    for key in dict.fromkeys(keys):
        base = configure(selection, key.log, data[key.log], key.backbone, key.change)
        bases[key] = replace(base, seed=TUNING.training_seed)
    return bases


def configure(
    selection: Selection, log: str, data: PreparedData, backbone: str, change: Change
) -> RunConfig:
    """One cell of the first seed with the papers' values, apart from what its study pins."""
    domain_columns, task = _seen(data, change)
    blind_pins = load_method(change.method).blind_pins if change.ids == "blind" else {}
    config = RunConfig(
        dataset=data.spec.name,
        data_fingerprint=data.fingerprint,
        split=data.card["split_kind"],
        features=(*data.schema.fields, *data.schema.bags),
        partition=data.spec.partition.columns,
        domain_columns=domain_columns,
        task=task,
        protocol=with_setting(selection.protocol_of(log), change.setting),
        backbone=backbone,
        method=change.method,
        seed=1,
        embedding_optimizer=selection.embedding_optimizer,
        backbone_config={},
        method_config={},
        regularisers=Regularisers(),
        pinned={**blind_pins, **change.pinned},
        plugins=plugin_digests(backbone, change.method),
        labels=change.labels,
        domains="placebo" if change.ids == "placebo" else "given",
        search=change.search,
        draw=data.draw,
        world_rows=None if data.draw is None else selection.world_rows,
    )
    config = with_tuned(config, Tuned.of(config))
    return replace(config, prior=_prior(data, change.method))


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


def _prior(data: PreparedData, method: str) -> tuple[str, ...]:
    """The prior columns of a log, of those that are left of it, for a method that reads them."""
    if method == REFERENCE or not load_method(method).reads_prior:
        return ()
    return data.spec.prior or data.schema.usual_prior(data.spec.prior_candidates)


def _configure_change(
    selection: Selection, log: str, data: PreparedData, backbone: str, change: Change
) -> RunConfig | None:
    """One cell, with scaled hidden layers where the change asks for them.

    None where the scale is 1: the other method has no more parameters.
    """
    config = configure(selection, log, data, backbone, change)
    if not change.match:
        return config
    from benchmark.planning.equal_width import matched, parameters_of_a_row  # torch is slow

    other = configure(selection, log, data, backbone, Change(method=change.match))
    scaled = matched(config, parameters_of_a_row(other, data.schema), data.schema)
    if scaled.protocol.hidden_dims == config.protocol.hidden_dims:
        return None
    return replace(scaled, matched_to=change.match)
