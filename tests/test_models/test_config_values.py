"""Every model's config, a reference's too, says which value is of a wrong type or out of range."""

from __future__ import annotations

import math
from dataclasses import fields, make_dataclass, replace
from functools import partial
from typing import Literal, get_args, get_origin, get_type_hints

import pytest

from benchmark.references.linear import LogisticRegressionConfig
from benchmark.references.registry import REFERENCES
from benchmark.references.trees import BoostedTreesConfig
from models.backbones.dcnv2 import DCNv2Config
from models.config_values import ALLOWED, check_values
from models.contract import subject
from models.interfaces import Choice, search_space
from models.methods.adasparse import AdaSparseConfig
from models.methods.apg import ApgConfig
from models.methods.maml import MamlConfig
from models.methods.star import StarConfig
from models.registry import available, load_backbone, load_method

CONFIGS = [
    *(load_backbone(name).config for name in available("backbones")),
    *(load_method(name).config for name in available("methods")),
    *(reference.config for reference in REFERENCES.values()),
]
model = partial(replace, subject.CONFIG)
WRONG = {
    "bool": (0, 1.0, "yes", None),
    "int": (1.5, 2.0, math.nan, True, "2", None),
    "int | None": (1.5, math.inf, True, "2"),
    "float": (math.nan, math.inf, -math.inf, True, "2", None),
    "float | None": (math.nan, True, "2"),
    "str": (1, None),
    "tuple[float, float]": ((0.2,), (0.1, 0.2, 0.3), (0.1, math.nan), (0.1, "0.2"), 0.2, "ab"),
}
CASES = [
    pytest.param(config, field, value, id=f"{config.__name__}.{field.name}={value}")
    for config in CONFIGS
    for field in fields(config)
    for value in WRONG.get(field.type, ())
]


def test_every_listed_annotation_is_tried():
    assert WRONG.keys() == ALLOWED.keys() >= {case.values[1].type for case in CASES}


@pytest.mark.parametrize(
    ("config", "field", "value", "rule"),
    [
        (model, "embedding_dim", 0, "be at least 1, got 0"),
        (model, "hidden_dims", (), "be one or more sizes >= 1, got ()"),
        (model, "hidden_dims", (8, 0), "be one or more sizes >= 1, got (8, 0)"),
        (model, "dropout", 1.0, "be in [0, 1), got 1.0"),
        (model, "embedding_std", 0.0, "be above 0, got 0.0"),
        (DCNv2Config, "num_cross_layers", 0, "be at least 1, got 0"),
        (DCNv2Config, "rank", 0, "be at least 1, got 0"),
        (DCNv2Config, "num_experts", 0, "be at least 1, got 0"),
        (AdaSparseConfig, "beta", 0.9, "be at least 1, got 0.9"),
        (AdaSparseConfig, "threshold", -0.1, "be in [0, 1), got -0.1"),
        (AdaSparseConfig, "alpha_start", 6.0, "satisfy 0 < start <= max, got 6.0, 5.0"),
        (
            AdaSparseConfig,
            "sparsity_bounds",
            (0.3, 0.2),
            "satisfy 0 <= r_min <= r_max < 1, got 0.3, 0.2",
        ),
        (AdaSparseConfig, "penalty_weight_start", 4.0, "satisfy 0 <= start <= max, got 4.0, 3.0"),
        (AdaSparseConfig, "ramp_epochs", 0.0, "be positive, got 0.0"),
        (ApgConfig, "rank_ratio", 0.0, "be in (0, 1], got 0.0"),
        (ApgConfig, "rank_ratio", 1.1, "be in (0, 1], got 1.1"),
        (ApgConfig, "over_parameterisation", 0, "be None or at least 1, got 0"),
        (ApgConfig, "generator_hidden", 0, "be None or at least 1, got 0"),
        (MamlConfig, "inner_rate", -0.1, "be at least 0, got -0.1"),
        (MamlConfig, "inner_steps", 0, "be at least 1, got 0"),
        (MamlConfig, "support_rows", 0, "be at least 1, got 0"),
        (MamlConfig, "eval_rows", 0, "be at least 1, got 0"),
        (MamlConfig, "tau", 0.0, "be in (0, 1], got 0.0"),
        (MamlConfig, "eval_steps_factor", 3, "be one of (1, 2, 5), got 3"),
        (StarConfig, "variance_floor", 0.0, "be positive, got 0.0"),
        (StarConfig, "momentum", 0.0, "be in (0, 1], got 0.0"),
        (StarConfig, "momentum", 1.1, "be in (0, 1], got 1.1"),
        (StarConfig, "min_rows", 1, "be at least 2, got 1"),
        (StarConfig, "auxiliary_hidden", 0, "be at least 1, got 0"),
        (StarConfig, "factor_l2", -1.0, "be at least 0, got -1.0"),
        (LogisticRegressionConfig, "inverse_regularisation", 0.0, "be above 0, got 0.0"),
        (BoostedTreesConfig, "learning_rate", -0.1, "be above 0, got -0.1"),
        (BoostedTreesConfig, "smoothing", 0.0, "be above 0, got 0.0"),
        (BoostedTreesConfig, "l2_regularization", -1.0, "be at least 0, got -1.0"),
        (BoostedTreesConfig, "max_leaf_nodes", 1, "be at least 2, got 1"),
        (BoostedTreesConfig, "max_iter", 0, "be at least 1, got 0"),
    ],
)
def test_value_out_of_range_is_refused(config, field, value, rule):
    with pytest.raises(ValueError, match=field.removesuffix("_start")) as error:
        config(**{field: value})

    assert str(error.value) == f"{field.removesuffix('_start')} must {rule}"


@pytest.mark.parametrize("config", CONFIGS)
def test_word_that_is_no_choice_is_refused_with_those_that_are(config):
    for name, annotation in get_type_hints(config).items():
        if get_origin(annotation) is Literal:
            with pytest.raises(ValueError, match=f"unknown {name} 'no_such'") as error:
                config(**{name: "no_such"})
            assert str(error.value).endswith(f"; allowed: {', '.join(get_args(annotation))}")


@pytest.mark.parametrize("config", CONFIGS)
def test_ends_of_a_search_space_are_in_range(config):
    for name, where in search_space(config).items():
        for value in where.values if isinstance(where, Choice) else (where.low, where.high):
            assert getattr(config(**{name: value}), name) == value


@pytest.mark.parametrize(("config", "field", "value"), CASES)
def test_value_of_another_type_is_refused(config, field, value):
    with pytest.raises(ValueError, match=f"{field.name} must be ") as error:
        config(**{field.name: value})

    allowed, _ = ALLOWED[field.type]
    assert str(error.value) == f"{field.name} must be {allowed}, got {value!r}"


def test_whole_numbers_and_lists_of_json_are_taken():
    config = load_method("adasparse").config(beta=3, sparsity_bounds=[0, 0.25])

    assert (config.beta, config.sparsity_bounds) == (3, [0, 0.25])


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        *((bool, 1), (int, "2"), (int | None, "2"), (float, "2"), (float | None, "0.1"), (str, 1)),
        (tuple[float, float], 0.2),
    ],
)
def test_annotations_that_are_not_postponed_are_read_too(annotation, value):
    config = make_dataclass("Config", [("size", annotation)])

    with pytest.raises(ValueError, match="size must be "):
        check_values(config(value))
