"""The hyper-parameters of a cell: where they are declared, and how tuned values are put in."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import numpy as np

from benchmark.config import ConfigError, Regularisers
from benchmark.protocol import TUNING
from benchmark.references.registry import REFERENCES, load_reference
from benchmark.store.trials import Tuned
from models.interfaces import Choice, Range, search_space
from models.own_code import one_line
from models.registry import available, load_backbone, load_method

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmark.config import Json, RunConfig
    from models.facts import Facts
    from models.interfaces import SearchSpace

REGULARISERS = {  # of every method on every backbone, plain too; or 0
    "dropout": Range(low=0.0, high=0.3),
    "embedding_l2": Range(low=1e-8, high=1e-4, log=True),
    "weight_decay": Range(low=1e-8, high=1e-3, log=True),
}


def own_space(backbone: str, method: str) -> SearchSpace:
    """The values that the sampler proposes, which no other search on the backbone has.

    They are those of the method, or of a reference, which has the place of a backbone.
    """
    if backbone in REFERENCES:
        return _prefixed("backbone", search_space(load_reference(backbone).config))
    return _prefixed("method", search_space(load_method(method).config))


def shared_space(backbone: str) -> SearchSpace:
    """The values that every search on a backbone draws alike: its structure and the regularisers.

    A reference stands alone and has none.
    """
    if backbone in REFERENCES:
        return {}
    structure = _prefixed("backbone", search_space(load_backbone(backbone).config))
    return structure | _prefixed("regularisers", REGULARISERS)


def shared_values(backbone: str, search: int, index: int) -> dict[str, Json]:
    """The values of `shared_space` that a trial tries, by search and index alone, for any method.

    The structure is drawn as its ranges declare. A regulariser is 0 with the chance `zero_share`,
    else drawn from its range, and the same on every backbone. Trial 0 has the papers' values
    instead.

    Args:
        backbone: its name.
        search: which search of the model it is, from 1 on.
        index: of the trial, from 1 on.
    """
    space = shared_space(backbone)
    stream = np.random.SeedSequence(TUNING.sampler_seeds[search - 1], spawn_key=(index,))
    rng = np.random.default_rng(stream)
    chances = rng.random((len(REGULARISERS), 2)).tolist()
    values = {
        f"regularisers.{name}": 0.0 if chance < TUNING.zero_share else value_at(where, share)
        for (name, where), (chance, share) in zip(REGULARISERS.items(), chances, strict=True)
    }
    for name, where in space.items():
        if name not in values:
            values[name] = value_at(where, rng.random())
    return {name: values[name] for name in space}


def value_at(where: Range | Choice, share: float) -> Json:
    """The value below which this share of a range lies, or of the values of a choice.

    Integers have equal shares, those of a logarithmic range that of the numbers which round to
    them.

    Args:
        where: a range or a choice.
        share: at least 0 and below 1.
    """
    if isinstance(where, Choice):
        return where.values[math.floor(share * len(where.values))]
    margin = 0.5 if has_integers(where) else 0.0
    low, high = where.low - margin, where.high + margin
    value = float(low * (high / low) ** share) if where.log else low + (high - low) * share
    return min(math.floor(value + 0.5), int(where.high)) if has_integers(where) else value


def has_integers(where: Range) -> bool:
    """True if a range is one of integers, as it is if both ends are."""
    return isinstance(where.low, int) and isinstance(where.high, int)


def with_tuned(config: RunConfig, tuned: Tuned) -> RunConfig:
    """The cell with tuned values, but with what its study pins; the papers' where there are none.

    Raises:
        ConfigError: the method or the backbone refuses a value.
    """
    values = {**tuned.method_config, **config.pinned}
    try:
        if config.is_reference:
            backbone, method_config = load_reference(config.backbone).config, {}
        else:
            backbone = load_backbone(config.backbone).config
            method_config = asdict(load_method(config.method).config(**values))
        return replace(
            config,
            backbone_config=asdict(backbone(**tuned.backbone_config)),
            method_config=method_config,
            regularisers=tuned.regularisers,
        )
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{config.title}: {error}") from None
    except Exception as error:  # whatever the config of a plug-in raises
        raise ConfigError(f"{config.title}: {one_line(error)}") from None


def with_params(base: RunConfig, params: Mapping[str, Json]) -> RunConfig:
    """A cell with what a trial tries, by the names of its spaces.

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


def params_of(config: RunConfig, values: Mapping[str, Json]) -> dict[str, Json]:
    """Hyper-parameters by the names of searches, from those names or what follows their part.

    `inner_rate` is `method.inner_rate`, unless another part has such a value too. Numbers are of
    the type that the cell has, so that equal values are one run.

    Raises:
        ConfigError: a name is unknown, of several values, or one is given twice.
    """
    known = Tuned.of(config).values
    found: dict[str, Json] = {}
    for name, value in values.items():
        meant = [full for full in known if name in (full, full.partition(".")[2])]
        if not meant and hasattr(config.protocol, name):
            raise ConfigError(
                f"{name!r} is no hyper-parameter: the protocol {config.protocol.name!r} of the"
                f" preset has {getattr(config.protocol, name)} for all methods"
            )
        if not meant:
            raise ConfigError(
                f"unknown hyper-parameter {name!r} of {config.model}; available: {', '.join(known)}"
            )
        if len(meant) > 1:
            raise ConfigError(
                f"hyper-parameter {name!r} of {config.model} may be {' or '.join(meant)}; write one"
                f" of them in full, as in **{{{meant[0]!r}: {value!r}}}"
            )
        if meant[0] in found:
            raise ConfigError(f"hyper-parameter {meant[0]!r} is given twice; leave one out")
        plain: Json = value.item() if isinstance(value, np.generic) else value
        is_whole = isinstance(plain, int) and not isinstance(plain, bool)
        if is_whole and isinstance(known[meant[0]], float):
            plain = float(plain)  # type: ignore[arg-type]
        found[meant[0]] = plain
    return found


def facts() -> dict[str, Facts]:
    """The facts of all methods, backbones and references, by name."""
    return {
        **{name: load_backbone(name).facts for name in available("backbones")},
        **{name: load_method(name).facts for name in available("methods")},
        **{name: entry.facts for name, entry in REFERENCES.items()},
    }


def _prefixed(part: str, values: Mapping[str, object]) -> dict:
    """Values by their names in search spaces, such as `method.inner_rate`."""
    return {f"{part}.{name}": value for name, value in values.items()}


def _part(part: str, params: Mapping[str, Json]) -> dict:
    start = f"{part}."
    return {name.removeprefix(start): v for name, v in params.items() if name.startswith(start)}
