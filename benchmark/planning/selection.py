"""The user's selection, and the logs and models that follow from it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from benchmark.config import BASELINE, OWN, REFERENCE, ConfigError
from benchmark.planning.studies import STUDIES, WORLDS, Change, settings_of
from benchmark.protocol import PRESETS, SPLIT_SEED, TUNING
from datasets import catalog
from datasets.spec import DomainPartition, PrepareOptions

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from benchmark.config import EmbeddingOptimizer, Json
    from benchmark.protocol import Preset, Protocol
    from datasets.spec import DatasetSpec, SplitVariant


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The user's selection; `data` are the words of --data, no `num_seeds` the preset's.

    `call` are the flags that say so, as parsed.

    A log is named by a word of --data. One of a generated log without a draw stands for all draws
    of the preset.
    """

    preset: Preset
    studies: Sequence[str]
    data: Sequence[str]
    world_rows: int
    backbones: Sequence[str]
    methods: Sequence[str]
    num_trials: int
    num_seeds: int | None
    embedding_optimizer: EmbeddingOptimizer
    call: Mapping[str, Json] = field(default_factory=dict)

    def protocol_of(self, log: str) -> Protocol:
        """The protocol for a word of --data."""
        own = self.preset.production if catalog.family_of(log) in WORLDS else None
        return own or self.preset.protocol

    def seeds_of(self, study: str, log: str) -> int:
        """The number of seeds of each cell of a study on a log, or on each of its draws."""
        of_preset = self.preset.seeds_of(
            is_of_table_1=STUDIES[study].is_of_table_1, is_generated=catalog.is_generated(log)
        )
        return self.num_seeds or of_preset

    @property
    def num_searches(self) -> int:
        """The number of searches of a model of the main table."""
        return self.preset.num_searches if self.num_trials else 0

    def draws_of(self, log: str) -> list[str]:
        """The logs that a word stands for."""
        if not catalog.is_generated(log) or catalog.has_draw(log):
            return [log]
        return [catalog.at_draw(log, draw) for draw in range(1, self.preset.num_draws + 1)]

    def preparation_of(self, log: str, variant: SplitVariant | None = None) -> PrepareOptions:
        """The way in which the log of a word of --data is prepared."""
        columns = catalog.source_of(log)[1]
        return PrepareOptions(
            partition=DomainPartition(tuple(columns.split("+"))) if columns else None,
            max_fields=self.protocol_of(log).max_fields,
            max_train_rows=None if catalog.is_generated(log) else self.preset.max_train_rows,
            split_seed=SPLIT_SEED,
            variant=variant,
        )


def logs_of(name: str, selection: Selection) -> list[str]:
    """The logs of a study, in the words of `--data`; of its worlds those named there come first."""
    study = STUDIES[name]
    if name not in selection.studies or (study.is_searched_again and selection.num_searches < 2):
        return []
    if study.worlds:
        has_cells = study.changes_of(selection.methods, 1)
        named = {catalog.family_of(log): log for log in reversed(selection.data)}
        worlds = sorted(study.worlds, key=lambda world: world not in named)
        chosen = worlds[: selection.preset.num_worlds] if has_cells else []
        return [named.get(world, world) for world in chosen]
    logs = dict.fromkeys(selection.data)
    return [log for log in logs if not study.needs_truth or catalog.is_generated(log)]


def logs_to_prepare(selection: Selection) -> dict[str, bool]:
    """All logs that a call reads, draw by draw, and whether --data names them.

    They are those of --data, then those that studies add, then those that searches are on.
    """
    added = [log for name in STUDIES for log in logs_of(name, selection)]
    logs = {
        draw: log in selection.data
        for log in dict.fromkeys([*selection.data, *added])
        for draw in selection.draws_of(log)
    }
    for name in STUDIES:
        for log in logs_of(name, selection):
            logs.setdefault(search_log(name, log, selection), log in selection.data)
    return logs


def models_of(
    name: str, selection: Selection, log: str, spec: DatasetSpec
) -> list[tuple[str, Change]]:
    """The models of a study as backbone and change, as far as their methods are selected.

    `log` is a word of --data, or a draw of one, and `spec` its own.
    """
    study = STUDIES[name]
    if study.references:
        return [(reference, Change(method=REFERENCE)) for reference in study.references]
    most = selection.preset.max_changes
    changes = study.changes_of(selection.methods, len(spec.partition.columns), most)
    if study.has_settings:
        changes = _under_settings(selection, log, spec)
    if not changes and not study.compares_all:
        return []
    needed = {BASELINE, *(change.match or change.method for change in changes)}
    if study.compares_all:
        needed = set(selection.methods)
    mains = [Change(method=method) for method in selection.methods if method in needed]
    backbones = selection.backbones if study.is_on_all_backbones else selection.backbones[:1]
    return [(backbone, change) for backbone in backbones for change in (*mains, *changes)]


def _under_settings(selection: Selection, log: str, spec: DatasetSpec) -> list[Change]:
    """Every compared method under every setting; none where there is nothing to compare."""
    others = [method for method in selection.methods if method != BASELINE]
    others.sort(key=lambda method: method != OWN)
    if BASELINE not in selection.methods or not others:
        return []
    settings = settings_of(selection.protocol_of(log), has_times=spec.timestamp is not None)
    return [
        replace(setting, method=method)
        for setting in settings[: selection.preset.max_changes]
        for method in [BASELINE, *others][: selection.preset.most_compared]
    ]


def search_log(name: str, log: str, selection: Selection) -> str:
    """The log on which the values of a study's cells are searched.

    It is the cells' own log if that is in --data, or if every log is tuned; else the first log of
    --data that the study is on, or the study's first one. Of a generated log it is the draw that
    is kept for searches, where there are any.
    """
    is_own = log in selection.data or selection.preset.tunes_every_log
    searched = log if is_own else logs_of(name, selection)[0]  # those of --data come first
    if not catalog.is_generated(searched):
        return searched
    if not selection.num_trials:
        return selection.draws_of(searched)[0]
    return catalog.at_draw(searched, TUNING.draw)


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
    """The needs of a study, in words."""
    study = STUDIES[name]
    if study.is_searched_again:
        presets = ", ".join(name for name, preset in PRESETS.items() if preset.num_searches > 1)
        return f"{name} needs a preset that searches twice ({presets}), and trials"
    if study.needs_truth:
        worlds = ", ".join(log for log in catalog.available() if catalog.is_world(log))
        return f"{name} needs a generated log in --data, one of {worlds}"
    if study.has_settings:
        return f"{name} needs {BASELINE} and a method beside it"
    if study.has_blind_controls or study.is_nested:
        columns = ", and a partition of several columns" if study.is_nested else ""
        return f"{name} needs a method beside {BASELINE}{columns}"
    changed = ", ".join(sorted({change.match or change.method for change in study.changes}))
    return (
        f"{name} needs one of the methods {changed}, and where it changes domains or tasks a"
        " partition of several columns"
    )
