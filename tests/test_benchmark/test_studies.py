"""The cells of the studies: which logs they are on, what they share, and what they vary."""

from dataclasses import replace

import numpy as np
import pytest

from benchmark.config import ConfigError
from benchmark.planning.cells import configure, lay_out
from benchmark.planning.equal_width import matched, parameters_of_a_row
from benchmark.planning.studies import STUDIES, Change, studies_named
from benchmark.protocol import PRESETS, TUNING
from benchmark.running.grid import prepare_log
from models.registry import available, load_method

SMOKE = PRESETS["smoke"]
METHODS = ("adasparse", "plain")


def fields_of(config):
    content = config.to_json()
    del content["protocol"]["name"]
    return content


def differences(left, right):
    left, right = fields_of(left), fields_of(right)
    return {name for name in left if left[name] != right[name]}


def mains_of(plan):
    """The cells of the main study by backbone, method and seed."""
    configs = [plan.slots[slot] for slot in plan.studies["main"]]
    return {(config.backbone, config.method, config.seed): config for config in configs}


def own_cells(plan, study):
    """The cells of a study that are not in the main one."""
    main = set(plan.studies["main"])
    return [plan.slots[slot] for slot in plan.studies[study] if slot not in main]


def test_main_table_comes_first_and_shared_cells_are_there_once(logs, select):
    plan = lay_out(select(), logs)

    main = plan.studies["main"]
    assert tuple(plan.slots)[: len(main)] == main
    assert len(main) == 8
    on_first = {slot for slot in main if plan.slots[slot].backbone == "dnn"}
    assert on_first <= set(plan.studies["controls"])
    assert len(plan.slots) == 8 + 4 + 10 + 4 + 8 + 18 + 44 + 4  # studies in their order
    assert len({config.run_id for config in plan.slots.values()}) == len(plan.slots)
    assert set(plan.logs) == set(plan.search_of) == set(plan.slots)


def test_cells_of_a_study_differ_only_in_what_it_varies(logs, select):
    plan = lay_out(select(methods=available("methods")), logs)
    mains = mains_of(plan)

    for study in ("controls", "ablations"):
        for config in own_cells(plan, study):
            main = mains[config.backbone, config.method, config.seed]
            varied = differences(config, main)
            if config.is_blind:
                pinned = {"pinned", "method_config"} if config.pinned else set()
                assert varied == {"domain_columns", "task", *pinned}
            elif config.pinned:
                assert varied == {"pinned", "method_config"}
                assert config.method_config == {**main.method_config, **config.pinned}
                assert any(
                    main.method_config[name] != config.pinned[name] for name in config.pinned
                )
            else:
                assert varied in (
                    {"protocol"},
                    {"protocol", "matched_to"},
                    {"domain_columns"},
                    {"task"},
                    {"domains"},
                )


def test_ablations_are_on_the_first_backbone(logs, select):
    plan = lay_out(select(backbones=("dcnv2", "dnn")), logs)

    assert {config.backbone for config in own_cells(plan, "ablations")} == {"dcnv2"}
    assert {tuple(config.pinned.items()) for config in own_cells(plan, "ablations")} == {
        (("alpha_start", 5.0), ("alpha_max", 5.0)),
        (("penalty", "l1"),),
        (("penalty", "l1"), ("penalty_weight_max", 0.1)),
        (("penalty", "l1"), ("penalty_weight_max", 0.01)),
        (("straight_through", "pass"),),
        (("straight_through", "none"),),
        (("r_scope", "domain"),),
        (("prune_input", False),),
        (("pruner_input", "e_d"),),
    }


def test_one_domain_column_leaves_nothing_to_vary_in_domains(
    tiny_log, tmp_path, select, with_variants
):
    log = prepare_log(str(tiny_log), None, tmp_path / "cache", select())

    plan = lay_out(select(), with_variants({"tiny": log}))

    assert len(own_cells(plan, "controls")) == 6  # domain-blind, width-matched and placebo
    assert not plan.studies["partitions"]
    assert {config.domain_columns for config in plan.slots.values()} == {("place",), ()}


def test_nested_domains_take_one_column_after_the_other(log, select):
    methods = available("methods")
    plan = lay_out(select(studies=["main", "partitions"], methods=methods), {"tiny": log})

    seen = {(c.method, c.domain_columns, c.task) for c in own_cells(plan, "partitions")}
    assert seen == {
        *((method, ("item",), "item") for method in methods if method != "plain"),
        *(
            (method, ("place", "item"), "place+item")
            for method in methods
            if load_method(method).reads_tasks
        ),
    }
    assert {method for method, columns, _ in seen if len(columns) > 1} >= {"maml", "star"}


def test_all_cells_of_a_model_take_their_values_from_one_search(logs, select):
    plan = lay_out(select(), logs)

    for slot, config in plan.slots.items():
        assert plan.search_of[slot] == ("tiny", config.backbone, config.method, 1)
        word = f"tiny, {config.split}" if config.has_split_variant else "tiny"
        assert plan.logs[slot] is logs[word]
    assert set(plan.bases) == set(plan.search_of.values())
    assert {base.seed for base in plan.bases.values()} == {TUNING.training_seed}
    assert TUNING.training_seed not in {config.seed for config in plan.slots.values()}


def test_studies_keep_to_the_selected_methods(logs, select):
    plan = lay_out(select(methods=("plain",)), logs)

    counts = {name: len(slots) for name, slots in plan.studies.items() if slots}
    assert counts == {"main": 4, "cost": 4, "references": 4, "emerging": 4}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"studies": ["ablations"], "methods": ["plain"]},
            r"--methods plain: no cell is left; ablations needs .* adasparse",
        ),
        (
            {"studies": ["sensitivity"], "methods": ["plain"]},
            "sensitivity needs plain and a method beside it",
        ),
        (
            {"studies": ["sensitivity"], "methods": ["adasparse"]},
            "sensitivity needs plain and a method beside it",
        ),
        (
            {"studies": ["retuned"], "preset": PRESETS["quick"]},
            r"searches twice \(standard, paper\), and trials",
        ),
        ({"studies": ["ab_test"]}, "ab_test needs a generated log in --data, one of"),
    ],
)
def test_a_plan_without_cells_is_refused(log, select, changes, message):
    with pytest.raises(ConfigError, match=message):
        lay_out(select(**changes), {"tiny": log})


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], [name for name in STUDIES if name not in ("mechanisms", "zoo")]),
        (["zoo"], ["main", "controls", "references", "zoo"]),
        (["ablations", "controls"], ["controls", "ablations"]),
    ],
)
def test_studies_keep_their_order(words, expected):
    assert studies_named(words, ["iaac"]) == expected


@pytest.mark.parametrize("backbone", ["dnn", "dcnv2"])
def test_width_matched_network_is_the_closest_of_all_factors(log, select, backbone):
    plain = configure(select(), "tiny", log, backbone, Change(method="plain"))
    target = parameters_of_a_row(
        configure(select(), "tiny", log, backbone, Change(method="adasparse")), log.schema
    )

    config = matched(plain, target, log.schema)

    gap = abs(parameters_of_a_row(config, log.schema) - target)
    for factor in np.linspace(1.0, 4.0, 301):
        dims = tuple(round(factor * size) for size in plain.protocol.hidden_dims)
        other = replace(plain, protocol=replace(plain.protocol, hidden_dims=dims))
        assert abs(parameters_of_a_row(other, log.schema) - target) >= gap


def test_parameters_of_a_row_are_those_of_the_formula(log, select):
    counts = {
        method: parameters_of_a_row(
            configure(select(), "tiny", log, "dnn", Change(method=method)), log.schema
        )
        for method in (*METHODS, "separate")
    }

    n_input, n_domain = 8 * 4, 8 * 2  # place, item, price and the bag; two domain columns
    widths = [n_input, 64, 32, 16]
    layers = sum(low * high + high for low, high in zip(widths, [*widths[1:], 1], strict=True))
    pruners = sum((width + n_domain + 1) * width for width in widths)
    assert counts == {"plain": layers, "separate": layers, "adasparse": layers + pruners}


def test_every_method_has_its_controls(logs, select):
    methods = ("adasparse", "maml", "plain", "separate", "star")
    plan = lay_out(select(methods=methods, studies=["main", "controls"]), logs)

    found = own_cells(plan, "controls")
    assert {c.method for c in found if c.is_blind} == {*methods} - {"plain"}
    assert {c.method for c in found if c.is_placebo} == {*methods} - {"plain"}
    # a row of the others reads no more parameters than one of plain
    assert {c.matched_to for c in found if c.method == "plain"} == {"adasparse", "star"}


def test_studies_of_worlds_belong_to_calls_with_such_a_world():
    found = studies_named([], ["iaac", "synthetic_bias"])
    assert found == [name for name in STUDIES if name != "zoo"]
    assert "mechanisms" not in studies_named([], ["synthetic_public"])
    assert studies_named(["mechanisms"], ["iaac"]) == ["mechanisms"]
