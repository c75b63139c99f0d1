"""Which cells a study needs; cells that studies share are run once."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from benchmark.config import ConfigError, Regularisers, RunConfig
from benchmark.records import Plan
from models.registry import load_backbone, load_method, plugin_digests

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from benchmark.config import EmbeddingOptimizer, Json
    from benchmark.protocol import Preset
    from datasets.prepare import PreparedData

BASELINE = "plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A method, and what a study changes about its main cell.

    `pinned` are hyper-parameters away from their default; `ids` are the domains and tasks that the
    method sees; `match` names the method to whose dense parameters the hidden layers are scaled.
    """

    method: str
    pinned: Mapping[str, Json] = field(default_factory=dict)
    ids: Literal["own", "partition_as_task", "representative_as_domain"] = "own"
    match: str = ""

    @property
    def label(self) -> str:
        """How plans name the model without its backbone, such as `adasparse (pruner_input=h)`."""
        words = [f"{name}={value}" for name, value in self.pinned.items()]
        words += [self.ids.replace("_", " ")] if self.ids != "own" else []
        words += [f"as many dense parameters as {self.match}"] if self.match else []
        return f"{self.method} ({', '.join(words)})" if words else self.method


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """Cells that answer one question: `changes` and the main cells that they are compared with.

    Without changes it is every method on every backbone.
    """

    summary: str
    changes: tuple[Change, ...] = ()
    on_first_backbone_only: bool = False


STUDIES = {
    "table1": Study(summary="every method on every backbone (Table 1)"),
    "controls": Study(
        summary="whether gains come from domain awareness or from capacity alone, and from which"
        " domains a method sees",
        changes=(
            Change(method="plain", match="adasparse"),
            Change(method="adasparse", pinned={"pruner_input": "h"}),
            Change(method="adasparse", ids="representative_as_domain"),
            Change(method="apg", ids="representative_as_domain"),
            Change(method="star", ids="partition_as_task"),
            Change(method="maml", ids="partition_as_task"),
        ),
    ),
    "ablations": Study(
        summary="AdaSparse with one part changed at a time, on the first selected backbone",
        changes=(
            Change(method="adasparse", pinned={"alpha_start": 5.0}),
            Change(method="adasparse", pinned={"penalty": "l1"}),
            Change(method="adasparse", pinned={"penalty": "l1", "penalty_weight_max": 0.1}),
            Change(method="adasparse", pinned={"penalty": "l1", "penalty_weight_max": 0.01}),
            Change(method="adasparse", pinned={"straight_through": "pass"}),
            Change(method="adasparse", pinned={"straight_through": "none"}),
            Change(method="adasparse", pinned={"r_scope": "domain"}),
            Change(method="adasparse", pinned={"prune_input": False}),
        ),
        on_first_backbone_only=True,
    ),
}


def studies_named(words: Sequence[str]) -> list[str]:
    """The studies that `--only` names, with commas or spaces between them; all without a word.

    Raises:
        ConfigError: an unknown study.
    """
    names = [name for word in words for name in word.split(",") if name]
    unknown = [name for name in names if name not in STUDIES]
    if unknown:
        raise ConfigError(f"--only: unknown study {unknown[0]!r}; available: {', '.join(STUDIES)}")
    return [name for name in STUDIES if name in names or not words]


def source_of(name: str) -> tuple[str, str]:
    """The catalog name or TOML file of a `--data` value, and its partition, empty for the own."""
    if name.endswith(".toml"):
        return name, ""
    source, _, columns = name.partition("/")
    return source, columns


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What the user asked for."""

    preset: Preset
    studies: Sequence[str]
    backbones: Sequence[str]
    methods: Sequence[str]
    num_seeds: int
    embedding_optimizer: EmbeddingOptimizer


def models_of(name: str, selection: Selection, num_domain_columns: int) -> list[tuple[str, Change]]:
    """The models of a study as backbone and change, as far as their methods are selected.

    With one domain column the partition and its representative are the same, and what only differs
    in them is the main cell.
    """
    study = STUDIES[name]
    if name not in selection.studies:
        return []
    changes = [
        change
        for change in study.changes
        if {change.method, change.match or change.method} <= set(selection.methods)
        and (change.ids == "own" or num_domain_columns > 1)
    ]
    needed = {BASELINE, *(change.match or change.method for change in changes)}
    if not study.changes:
        needed = set(selection.methods)
    elif not changes:
        return []
    mains = [Change(method=method) for method in selection.methods if method in needed]
    backbones = selection.backbones[:1] if study.on_first_backbone_only else selection.backbones
    return [(backbone, change) for backbone in backbones for change in (*mains, *changes)]


def check_not_empty(selection: Selection, cells: Collection[object]) -> None:
    """Refuse a plan without cells.

    Raises:
        ConfigError: the selected studies change other methods than the selected ones.
    """
    if not cells:
        changes = [change for name in selection.studies for change in STUDIES[name].changes]
        changed = sorted({change.match or change.method for change in changes})
        raise ConfigError(
            f"--only {','.join(selection.studies)} --methods {' '.join(selection.methods)}: no cell"
            f" is left; what these studies change is {', '.join(changed)} (and domains and tasks"
            " where the partition has several columns): select more methods or studies"
        )


def make_plan(
    selection: Selection, logs: Sequence[PreparedData]
) -> tuple[Plan, Mapping[str, PreparedData]]:
    """The plan of all cells, and the log of each slot.

    Study by study, the main table first, and in a study seed by seed so that it grows evenly. A
    study that is not part of the call has no slots.

    Raises:
        ConfigError: there is no cell.
    """
    slots: dict[str, RunConfig] = {}
    log_of_slot: dict[str, PreparedData] = {}
    studies: dict[str, tuple[str, ...]] = {}
    for name in STUDIES:
        cells = [
            (_configure_change(selection, data, backbone, change), data)
            for data in logs
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
    spec, is_restricted = data.spec, change.ids == "representative_as_domain"
    return RunConfig(
        dataset=spec.name,
        data_fingerprint=data.fingerprint,
        split=data.card["split_kind"],
        features=(*data.schema.fields, *data.schema.bags),
        partition=spec.partition.columns,
        domain_columns=(spec.representative,) if is_restricted else spec.partition.columns,
        task=spec.partition.name if change.ids == "partition_as_task" else spec.representative,
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
