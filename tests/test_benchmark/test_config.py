"""The run hash covers what changes a run, and nothing else."""

import json
from dataclasses import replace

import pytest

from benchmark.config import ConfigError, Regularisers, RunConfig
from benchmark.protocol import COMPACT


@pytest.mark.parametrize(
    "changes",
    [
        {"data_fingerprint": "0" * 12},
        {"split": "shuffle"},
        {"partition": ("item",)},
        {"domain_columns": ("item",)},
        {"task": "item"},
        {"task": ""},
        {"seed": 2},
        {"backbone": "dcnv2"},
        {"method": "adasparse"},
        {"method_config": {"beta": 1.0, "sparsity_bounds": [0.15, 0.25]}},
        {"regularisers": Regularisers(dropout=0.1)},
        {"embedding_optimizer": "dense"},
        {"protocol": replace(COMPACT, batch_size=512)},
        {"labels": "permuted"},
        {"domains": "placebo"},
        {"prior": ("item",)},
    ],
)
def test_run_id_changes_with_everything_that_changes_a_run(make_config, changes):
    assert make_config(**changes).run_id != make_config().run_id


def test_run_id_does_not_change_with_the_name_of_the_protocol(make_config):
    assert make_config(protocol=replace(COMPACT, name="other")).run_id == make_config().run_id


def test_run_id_does_not_depend_on_the_order_of_hyper_parameters(make_config):
    other = make_config(method_config={"sparsity_bounds": [0.15, 0.25], "beta": 2.0})

    assert other.run_id == make_config().run_id


def test_run_id_is_stable_over_program_versions(make_config):
    assert make_config().run_id == "ec2a395214a1"


def test_slot_id_ignores_hyper_parameters_only(make_config):
    tuned = make_config(method_config={"beta": 1.5}, regularisers=Regularisers(dropout=0.2))

    assert tuned.slot_id == make_config().slot_id
    assert make_config(seed=2).slot_id != make_config().slot_id


def test_pinned_values_are_part_of_the_slot_but_not_of_the_run(make_config):
    pinned = make_config(pinned={"beta": 2.0})

    assert pinned.run_id == make_config().run_id
    assert pinned.slot_id != make_config().slot_id


def test_domain_columns_are_those_of_the_partition_unless_given(make_config):
    assert make_config().domain_columns == ("scenario",)
    assert make_config(domain_columns=("scenario",)).run_id == make_config().run_id
    assert not make_config().has_own_domains


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "synthetic/scenario+item dnn+plain seed 1"),
        ({"pinned": {"beta": 1.5}}, "synthetic/scenario+item dnn+plain (beta 1.5) seed 1"),
        (
            {
                "task": "scenario+item",
                "protocol": replace(COMPACT, hidden_dims=(70, 35)),
                "matched_to": "star",
            },
            "synthetic/scenario+item dnn+plain (width-matched to star (70-35), task = full"
            " partition) seed 1",
        ),
        ({"task": ""}, "synthetic/scenario+item dnn+plain (domain-blind) seed 1"),
        (
            {"domains": "placebo"},
            "synthetic/scenario+item dnn+plain (placebo domains) seed 1",
        ),
        (
            {"domain_columns": ("scenario",)},
            "synthetic/scenario+item dnn+plain (domain = scenario only) seed 1",
        ),
    ],
)
def test_title_says_what_a_study_changed(make_config, changes, expected):
    assert make_config(partition=("scenario", "item"), **changes).title == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "", "domain_columns": ("item",)}, "no domain columns, got item"),
        ({"task": "", "domains": "placebo"}, "a placebo replaces the domains"),
        ({"search": 0}, "search must be from 1 to 2, got 0"),
        ({"search": 3}, "search must be from 1 to 2, got 3"),
    ],
)
def test_values_that_no_run_has_are_refused(make_config, changes, message):
    with pytest.raises(ConfigError, match=message):
        make_config(**changes)


def test_a_configuration_from_before_prior_columns_is_read(make_config):
    content = make_config().to_json()
    del content["prior"]

    config = RunConfig.from_json(content)

    assert config == make_config()
    assert "prior" not in config.identity()
    assert make_config(prior=("item",)).identity()["prior"] == ["item"]


@pytest.mark.parametrize(
    "seen", [{"domain_columns": ("item",)}, {"task": ""}, {"prior": ("user", "item")}]
)
def test_configuration_survives_json(make_config, seen):
    config = make_config(pinned={"beta": 2.0}, **seen)

    again = RunConfig.from_json(json.loads(json.dumps(config.to_json())))

    assert again.run_id == config.run_id
    assert again.to_json() == config.to_json()


def test_from_json_names_unknown_keys(make_config):
    with pytest.raises(ConfigError, match="unknown: \\['sed'\\]"):
        RunConfig.from_json(make_config().to_json() | {"sed": 1})


@pytest.mark.parametrize(
    "values", [{"dropout": 1.0}, {"embedding_l2": -1e-9}, {"weight_decay": -1}]
)
def test_regularisers_out_of_range_are_refused(values):
    with pytest.raises(ConfigError, match=next(iter(values))):
        Regularisers(**values)
