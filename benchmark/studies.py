"""Which cells a study needs; cells that studies share are run once."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from benchmark.config import Regularisers, RunConfig
from benchmark.records import Plan
from models.registry import load_backbone, load_method

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmark.config import EmbeddingOptimizer
    from benchmark.protocol import Preset
    from datasets.prepare import PreparedData

STUDIES = {"table1": "every method on every backbone (Table 1)"}


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
    backbones: Sequence[str]
    methods: Sequence[str]
    num_seeds: int
    embedding_optimizer: EmbeddingOptimizer


def make_plan(
    selection: Selection, logs: Sequence[PreparedData]
) -> tuple[Plan, Mapping[str, PreparedData]]:
    """The plan of all cells, seed by seed so that it grows evenly, and the log of each slot."""
    slots: dict[str, RunConfig] = {}
    log_of_slot: dict[str, PreparedData] = {}
    for seed in range(1, selection.num_seeds + 1):
        for data in logs:
            for backbone in selection.backbones:
                for method in selection.methods:
                    config = configure(selection, data, backbone, method, seed)
                    slots[config.slot_id] = config
                    log_of_slot[config.slot_id] = data
    plan = Plan(preset=selection.preset.name, slots=slots, studies={"table1": tuple(slots)})
    return plan, log_of_slot


def configure(
    selection: Selection, data: PreparedData, backbone: str, method: str, seed: int
) -> RunConfig:
    """One cell with the default hyper-parameters of its backbone and method."""
    return RunConfig(
        dataset=data.spec.name,
        data_fingerprint=data.fingerprint,
        split=data.card["split_kind"],
        features=(*data.schema.fields, *data.schema.bags),
        partition=data.spec.partition.columns,
        task=data.spec.representative,
        protocol=selection.preset.protocol,
        backbone=backbone,
        method=method,
        seed=seed,
        embedding_optimizer=selection.embedding_optimizer,
        backbone_config=asdict(load_backbone(backbone).config()),
        method_config=asdict(load_method(method).config()),
        regularisers=Regularisers(),
    )
