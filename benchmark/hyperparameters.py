"""What tuning may vary of a cell: where the values are declared, and how drawn ones are put in."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import numpy as np

from benchmark.config import ConfigError, Regularisers
from benchmark.plans import SHARED
from benchmark.protocol import TUNING
from benchmark.references.registry import REFERENCES, is_reference
from benchmark.trials import Tuned
from models.interfaces import Range, search_space
from models.registry import load_backbone, load_method

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmark.config import Json, RunConfig
    from benchmark.plans import Stage
    from models.interfaces import SearchSpace

REGULARISERS = {  # of every method on every backbone, plain too; or 0
    "dropout": Range(low=0.0, high=0.3),
    "embedding_l2": Range(low=1e-8, high=1e-4, log=True),
    "weight_decay": Range(low=1e-8, high=1e-3, log=True),
}


def space_of(backbone: str, method: str, stage: Stage) -> SearchSpace:
    """The values that a search varies, as `backbone.*`, `method.*` and `regularisers.*`.

    A backbone's own values are tuned on the plain method and then the same for every method; what
    they are tuned beside are the regularisers, which every search has.
    """
    if is_reference(backbone):
        return _prefixed("backbone", search_space(REFERENCES[backbone].config))
    own = (
        _prefixed("backbone", search_space(load_backbone(backbone).config))
        if stage == "backbone"
        else _prefixed("method", search_space(load_method(method).config))
    )
    return own | _prefixed("regularisers", REGULARISERS)


def drawn_regularisers(index: int) -> dict[str, Json]:
    """The regularisers of the trial of this index, in every search of a network.

    Each is 0 with the chance `zero_share`, else drawn from its range. Trial 0 has the papers' in
    their place.
    """
    stream = np.random.SeedSequence(TUNING.sampler_seed, spawn_key=(index,))
    chances = np.random.default_rng(stream).random((len(REGULARISERS), 2)).tolist()
    return {
        f"{SHARED}{name}": 0.0 if chance < TUNING.zero_share else _at(where, share)
        for (name, where), (chance, share) in zip(REGULARISERS.items(), chances, strict=True)
    }


def defaults(backbone: str, method: str) -> Tuned:
    """The values of a cell before any tuning: the papers'."""
    if is_reference(backbone):
        return Tuned(
            backbone_config=asdict(REFERENCES[backbone].config()),
            method_config={},
            regularisers=Regularisers(),
        )
    return Tuned(
        backbone_config=asdict(load_backbone(backbone).config()),
        method_config=asdict(load_method(method).config()),
        regularisers=Regularisers(),
    )


def with_tuned(config: RunConfig, tuned: Tuned) -> RunConfig:
    """The cell with tuned values, but with what its study pins.

    Raises:
        ConfigError: the method or the backbone refuses a value.
    """
    method_config = {**tuned.method_config, **config.pinned}
    try:
        if is_reference(config.backbone):
            REFERENCES[config.backbone].config(**tuned.backbone_config)
        else:
            method_config = asdict(load_method(config.method).config(**method_config))
            load_backbone(config.backbone).config(**tuned.backbone_config)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{config.title}: {error}") from None
    return replace(
        config,
        backbone_config=tuned.backbone_config,
        method_config=method_config,
        regularisers=tuned.regularisers,
    )


def with_params(base: RunConfig, params: Mapping[str, Json]) -> RunConfig:
    """A cell with what a trial drew, by the names of `space_of`.

    Raises:
        ConfigError: the method or the backbone refuses a value.
    """
    regularisers = asdict(base.regularisers) | _part("regularisers", params)
    return with_tuned(
        base,
        Tuned(
            backbone_config={**base.backbone_config, **_part("backbone", params)},
            method_config={**base.method_config, **_part("method", params)},
            regularisers=Regularisers(**regularisers),
        ),
    )


def params_of(config: RunConfig, space: SearchSpace) -> dict[str, Json]:
    """The values that a cell has now, by the names of a search space."""
    values = {
        **_prefixed("backbone", config.backbone_config),
        **_prefixed("method", config.method_config),
        **_prefixed("regularisers", asdict(config.regularisers)),
    }
    return {name: values[name] for name in space}


def _at(where: Range, share: float) -> float:
    """The value below which this share of a range lies."""
    if where.log:
        return float(where.low * (where.high / where.low) ** share)
    return where.low + (where.high - where.low) * share


def _prefixed(part: str, values: Mapping[str, object]) -> dict:
    return {f"{part}.{name}": value for name, value in values.items()}


def _part(part: str, params: Mapping[str, Json]) -> dict:
    start = f"{part}."
    return {name.removeprefix(start): v for name, v in params.items() if name.startswith(start)}
