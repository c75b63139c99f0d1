"""Every model's config, a reference's too, says which value is not of its field's type."""

from __future__ import annotations

import math
from dataclasses import fields, make_dataclass

import pytest

from benchmark.references.registry import REFERENCES
from models.config_values import ALLOWED, check_values
from models.registry import available, load_backbone, load_method

CONFIGS = [
    *(load_backbone(name).config for name in available("backbones")),
    *(load_method(name).config for name in available("methods")),
    *(reference.config for reference in REFERENCES.values()),
]
WRONG = {
    "bool": (0, 1.0, "yes", None),
    "int": (1.5, 2.0, math.nan, True, "2", None),
    "int | None": (1.5, math.inf, True, "2"),
    "float": (math.nan, math.inf, -math.inf, True, "2", None),
    "tuple[float, float]": ((0.2,), (0.1, 0.2, 0.3), (0.1, math.nan), (0.1, "0.2"), 0.2, "ab"),
}
CASES = [
    pytest.param(config, field, value, id=f"{config.__name__}.{field.name}={value}")
    for config in CONFIGS
    for field in fields(config)
    for value in WRONG.get(field.type, ())
]


def test_every_listed_annotation_is_tried():
    assert WRONG.keys() == ALLOWED.keys() == {case.values[1].type for case in CASES}


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
    [(bool, 1), (int, "2"), (int | None, "2"), (tuple[float, float], 0.2)],
)
def test_annotations_that_are_not_postponed_are_read_too(annotation, value):
    config = make_dataclass("Config", [("size", annotation)])

    with pytest.raises(ValueError, match="size must be "):
        check_values(config(value))
