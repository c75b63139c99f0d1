"""The cells of the studies: what they share, what they vary, and what methods see of a log."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmark.config import ConfigError
from benchmark.grid import prepare_log
from benchmark.matching import dense_parameters, matched
from benchmark.protocol import PRESETS
from benchmark.runner import build, seen_schema
from benchmark.studies import STUDIES, Change, Selection, configure, make_plan, studies_named
from datasets.loader import EncodedRows
from models.registry import available

SMOKE = PRESETS["smoke"]
METHODS = ("adasparse", "plain")


@pytest.fixture
def log(tiny_log, tmp_path):
    """A log of 60 domains, place x item, whose representative is not the first column."""
    partition = 'partition = ["place", "item"]\nrepresentative = "item"'
    text = tiny_log.read_text().replace('partition = ["place"]', partition)
    tiny_log.write_text(text)
    return prepare_log(str(tiny_log), None, tmp_path / "cache", SMOKE)


@pytest.fixture
def select():
    """A function that makes a selection, any field of which can be changed."""

    def make(**changes):
        values = {
            "preset": SMOKE,
            "studies": tuple(STUDIES),
            "backbones": ("dnn", "dcnv2"),
            "methods": METHODS,
            "num_seeds": 2,
            "embedding_optimizer": "sparse",
        } | changes
        return Selection(**values)

    return make


def fields_of(config):
    content = config.to_json()
    del content["protocol"]["name"]
    return content


def differences(left, right):
    left, right = fields_of(left), fields_of(right)
    return {name for name in left if left[name] != right[name]}


def mains_of(plan):
    """The cells of the main study by backbone, method and seed."""
    configs = [plan.slots[slot] for slot in plan.studies["table1"]]
    return {(config.backbone, config.method, config.seed): config for config in configs}


def own_cells(plan, study):
    """The cells of a study that are not in the main one."""
    main = set(plan.studies["table1"])
    return [plan.slots[slot] for slot in plan.studies[study] if slot not in main]


def test_main_table_comes_first_and_shared_cells_are_there_once(log, select):
    plan, logs = make_plan(select(), [log])

    main = plan.studies["table1"]
    assert tuple(plan.slots)[: len(main)] == main
    assert len(main) == 8
    assert set(main) <= set(plan.studies["controls"])
    assert len(plan.slots) == 8 + 12 + 16
    assert len({config.run_id for config in plan.slots.values()}) == len(plan.slots)
    assert set(logs) == set(plan.slots)


def test_cells_of_a_study_differ_only_in_what_it_varies(log, select):
    plan, _ = make_plan(select(methods=available("methods")), [log])
    mains = mains_of(plan)

    for study in ("controls", "ablations"):
        for config in own_cells(plan, study):
            main = mains[config.backbone, config.method, config.seed]
            varied = differences(config, main)
            if config.pinned:
                assert varied == {"pinned", "method_config"}
                assert config.method_config == {**main.method_config, **config.pinned}
                assert all(
                    main.method_config[name] != config.pinned[name] for name in config.pinned
                )
            else:
                assert varied in ({"protocol"}, {"domain_columns"}, {"task"})


def test_controls_of_the_domain_and_the_task_change_one_field(log, select):
    plan, _ = make_plan(select(studies=["controls"], num_seeds=1), [log])

    changed = {config.domain_columns for config in plan.slots.values()}
    star = configure(select(), log, "dnn", Change(method="plain", ids="partition_as_task"))
    assert changed == {("place", "item"), ("item",)}
    assert star.task == "place+item"
    assert star.has_full_task
    assert not star.has_own_domains


def test_ablations_are_on_the_first_backbone(log, select):
    plan, _ = make_plan(select(backbones=("dcnv2", "dnn")), [log])

    assert {config.backbone for config in own_cells(plan, "ablations")} == {"dcnv2"}
    assert {tuple(config.pinned.items()) for config in own_cells(plan, "ablations")} == {
        (("alpha_start", 5.0),),
        (("penalty", "l1"),),
        (("penalty", "l1"), ("penalty_weight_max", 0.1)),
        (("penalty", "l1"), ("penalty_weight_max", 0.01)),
        (("straight_through", "pass"),),
        (("straight_through", "none"),),
        (("r_scope", "domain"),),
        (("prune_input", False),),
    }


def test_one_domain_column_leaves_nothing_to_vary_in_domains(tiny_log, tmp_path, select):
    log = prepare_log(str(tiny_log), None, tmp_path / "cache", SMOKE)

    plan, _ = make_plan(select(), [log])

    assert len(own_cells(plan, "controls")) == 8  # h only and width-matched
    assert {config.domain_columns for config in plan.slots.values()} == {("place",)}


def test_studies_keep_to_the_selected_methods(log, select):
    plan, _ = make_plan(select(methods=("plain",)), [log])

    assert {name: len(slots) for name, slots in plan.studies.items()} == {
        "table1": 4,
        "controls": 0,
        "ablations": 0,
    }


def test_a_plan_without_cells_is_refused(log, select):
    with pytest.raises(ConfigError, match="--only ablations --methods plain: no cell is left"):
        make_plan(select(studies=["ablations"], methods=["plain"]), [log])


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], ["table1", "controls", "ablations"]),
        (["controls,table1"], ["table1", "controls"]),
        (["ablations", "controls,"], ["controls", "ablations"]),
    ],
)
def test_studies_are_named_with_commas_or_spaces(words, expected):
    assert studies_named(words) == expected


def test_unknown_study_lists_what_exists():
    with pytest.raises(ConfigError, match="'fig9'; available: table1, controls, ablations"):
        studies_named(["table1,fig9"])


@pytest.mark.parametrize("backbone", ["dnn", "dcnv2"])
def test_width_matched_network_is_the_closest_of_all_factors(log, select, backbone):
    plain = configure(select(), log, backbone, Change(method="plain"))
    target = dense_parameters(
        configure(select(), log, backbone, Change(method="adasparse")), log.schema
    )

    config = matched(plain, target, log.schema)

    gap = abs(dense_parameters(config, log.schema) - target)
    for factor in np.linspace(1.0, 4.0, 301):
        dims = tuple(round(factor * size) for size in plain.protocol.hidden_dims)
        other = replace(plain, protocol=replace(plain.protocol, hidden_dims=dims))
        assert abs(dense_parameters(other, log.schema) - target) >= gap


def test_dense_parameters_are_those_of_the_formula(log, select):
    counts = {
        method: dense_parameters(configure(select(), log, "dnn", Change(method=method)), log.schema)
        for method in METHODS
    }

    n_input, n_domain = 8 * 4, 8 * 2  # place, item, price and the bag; two domain columns
    widths = [n_input, 64, 32, 16]
    layers = sum(low * high + high for low, high in zip(widths, [*widths[1:], 1], strict=True))
    pruners = sum((width + n_domain + 1) * width for width in widths)
    assert counts == {"plain": layers, "adasparse": layers + pruners}


def test_width_matched_network_has_about_the_parameters_of_adasparse(log, select):
    plan, _ = make_plan(select(studies=["controls"], num_seeds=1), [log])
    counts = {
        config.model: dense_parameters(config, log.schema)
        for config in plan.slots.values()
        if config.protocol.hidden_dims != SMOKE.protocol.hidden_dims
        or (config.method == "adasparse" and not config.pinned and not config.has_own_domains)
    }

    for backbone in ("dnn", "dcnv2"):
        wide, pruned = counts[f"{backbone}+plain"], counts[f"{backbone}+adasparse"]
        assert abs(wide - pruned) < 0.01 * pruned


def test_restricted_domain_is_the_representative_alone(log, select):
    config = configure(
        select(), log, "dnn", Change(method="adasparse", ids="representative_as_domain")
    )
    schema = seen_schema(config, log.schema)
    batch = EncodedRows(log.rows(), schema).range(0, 50)
    whole = EncodedRows(log.rows(), log.schema).range(0, 50)

    context = build(config, schema, base_rate=0.5).embed(batch)

    assert log.schema.fields[:2] == ("item", "place")
    assert torch.equal(batch.domain_id, batch.codes[:, 0])
    assert torch.equal(batch.task_id, whole.task_id)
    assert torch.equal(batch.eval_domain_id, whole.eval_domain_id)
    assert schema.num_domains == log.schema.field_sizes[0]
    assert context.e_d.shape[1] == SMOKE.protocol.embedding_dim
    assert context.x_0.shape[1] == 4 * SMOKE.protocol.embedding_dim  # place is still an input


def test_full_partition_as_task_changes_the_task_alone(log, select):
    config = configure(select(), log, "dnn", Change(method="plain", ids="partition_as_task"))
    schema = seen_schema(config, log.schema)
    batch = EncodedRows(log.rows(), schema).range(0, 50)
    whole = EncodedRows(log.rows(), log.schema).range(0, 50)

    assert torch.equal(batch.task_id, whole.domain_id)
    assert torch.equal(batch.domain_id, whole.domain_id)
    assert schema.num_tasks == log.schema.num_domains
    assert schema.num_domain_fields == log.schema.num_domain_fields
