"""Counts of parameters and multiply-adds, by hand, by formula and by torch's counter."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmark.cost.counts import (
    cost_of,
    count_multiply_adds,
    latency,
    multiply_adds,
    parameter_counts,
)
from benchmark.cost.random_log import config_on, random_rows, random_schema
from benchmark.protocol import COMPACT
from benchmark.speed import cells
from benchmark.speed.scaling import growth_exponent
from benchmark.training.build import build
from benchmark.training.trainer import Training, TrainSplit
from tests.test_benchmark.cost_formulas import BACKBONES as FORMULAS_OF_BACKBONES
from tests.test_benchmark.cost_formulas import METHODS as FORMULAS_OF_METHODS
from tests.test_benchmark.cost_formulas import work_of

# d = 8, E_d = 6, layers 8 -> 3 -> 2 -> 1; 14 codes; 3 seen domains
SCHEMA = random_schema((4, 3, 2, 5), num_domains=3)
TINY = replace(COMPACT, embedding_dim=2, hidden_dims=(3, 2))
OPTIONS = {
    "adasparse": [
        {"pruner_input": reads, "prune_input": prune_input}
        for reads, prune_input in itertools.product(("both", "e_d", "h"), (True, False))
    ],
    "apg": [
        {
            "condition": condition,
            "generator_hidden": hidden,
            "generate_bias": condition == "h",
            "over_parameterisation": inner,
            "apg_cross": inner is None,
        }
        for condition, hidden, inner in itertools.product(
            ("e_d", "both", "h"), (None, 5), (None, 16)
        )
    ],
    "maml": [{}, {"adapt": "head"}],
    "mmoe": [{}, {"gate": "e_d", "num_experts": 4, "expert_width": "full"}],
    "pepnet": [{}, {"epnet": False, "gate_hidden": 5}, {"ppnet": False}],
    "shared_bottom": [{}, {"own_layers": 2}],
    "star": [{}, {"auxiliary_input": "domain", "star_cross": True}, {"partitioned_norm": False}],
}
BACKBONES = {
    "dcnv2": [
        {"structure": structure, "cross": cross, "rank": 4, "num_experts": 3}
        for structure, cross in itertools.product(
            ("parallel", "stacked"), ("full", "lowrank", "moe")
        )
    ],
}
CELLS = [
    pytest.param(backbone, shape, method, options, id=f"{backbone}+{method} {shape} {options}")
    for backbone, method in itertools.product(FORMULAS_OF_BACKBONES, FORMULAS_OF_METHODS)
    for number, shape in enumerate(BACKBONES.get(backbone, [{}]))
    for options in (OPTIONS.get(method, [{}]) if number == 0 else [{}])
]


def make(backbone, method, options=None, schema=SCHEMA, protocol=TINY, **shape):
    config = config_on(schema, protocol, backbone, method, options)
    config = replace(config, backbone_config=config.backbone_config | shape)
    return config, build(config, schema, base_rate=0.5)


def counted(*cell, **options):
    _, model = make(*cell, **options)
    return multiply_adds(model, random_rows(SCHEMA, 1))


@pytest.mark.parametrize(
    ("method", "embedding", "dense", "of_domains", "buffers"),
    [
        ("plain", 30, 27 + 8 + 3, 0, 0),
        ("adasparse", 30, 38 + 120 + 30 + 18, 0, 0),
        ("apg", 30, 85 + 52 + 3, 0, 0),
        ("star", 30, 38 + 2 * 8 + 321, 4 * (38 + 2 * 8), 4 * (2 * 8 + 2)),
        ("maml", 30, 38, 0, 0),
        ("finetune", 30, 38, 0, 0),
        ("mmoe", 30, 8 * 27, 4 * (72 + 8 + 3), 0),
        ("pepnet", 30, 38 + 32 * (15 + 8) + 8 + 3 * 32 * (2 + 8 + 1) + 33 * 13, 0, 0),
        ("separate", 30, 0, 4 * 38, 0),
        ("shared_bottom", 30, 27, 4 * (8 + 3), 0),
    ],
)
def test_parameters_are_those_counted_by_hand(method, embedding, dense, of_domains, buffers):
    _, model = make("dnn", method)

    counts = parameter_counts(model, model)

    assert counts == {
        "embedding_parameters": embedding,
        "dense_parameters": dense,
        "domain_parameters": of_domains,
        "domain_buffers": buffers,
        "served_parameters": embedding + dense + of_domains,
    }


@pytest.mark.parametrize(
    ("method", "options", "per_task"),
    [
        ("maml", {"adapt": "dense"}, 38),
        ("maml", {"adapt": "head"}, 8 + 3),
        ("finetune", {}, 38),
        ("finetune", {"passes": 0}, 0),
    ],
)
def test_served_parameters_hold_a_copy_of_theta_per_task(method, options, per_task):
    _, model = make("dnn", method, options)
    rows = random_rows(SCHEMA, 600)  # all three tasks occur

    predictor = model.method.adapt(model, TrainSplit(rows, range(600), 256))

    assert parameter_counts(model, predictor)["served_parameters"] == 30 + 38 + 3 * per_task


@pytest.mark.parametrize(
    ("method", "alone", "shared"),
    [
        ("plain", 24 + 6 + 2, 0),
        ("adasparse", 32 + 8 * 8 + 3 * (3 + 6) + 2 * (2 + 6), 0),
        ("apg", (8 + 2 + 3) * 2 + (3 + 2 + 2) * 2 + 2 + (6 + 8 + 6 + 3) * 4, 0),
        ("star", 32 + 8 * 32 + 32, 0),
        ("maml", 32, 0),
    ],
)
def test_multiply_adds_are_those_counted_by_hand(method, alone, shared):
    found = counted("dnn", method)

    assert found["multiply_adds"] == alone
    assert found["shared_multiply_adds"] == shared


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"structure": "parallel"}, 3 * 64 + 24 + 6 + (8 + 2)),
        ({"structure": "stacked"}, 3 * 64 + 24 + 6 + 2),
        ({"cross": "lowrank", "rank": 4}, 3 * 2 * 8 * 4 + 24 + 6 + 10),
        ({"cross": "moe", "rank": 4, "num_experts": 2}, 3 * 2 * (64 + 16 + 8) + 24 + 6 + 10),
    ],
)
def test_multiply_adds_of_cross_layers_are_those_counted_by_hand(options, expected):
    assert counted("dcnv2", "plain", **options)["multiply_adds"] == expected


@pytest.mark.parametrize(("backbone", "shape", "method", "options"), CELLS)
def test_formula_is_what_torch_counts(backbone, shape, method, options):
    """On eight rows of every domain, so that no group is padded."""
    config, model = make(backbone, method, options, **shape)
    work = work_of(config, model)

    for domains in (1, 3):
        ids = torch.arange(1, domains + 1, dtype=torch.int32).repeat(8)
        batch = replace(
            random_rows(SCHEMA, len(ids)).range(0, len(ids)), domain_id=ids, task_id=ids
        )
        assert count_multiply_adds(model, batch) == work.of(len(ids), domains)


@pytest.mark.parametrize(("backbone", "shape", "method", "options"), CELLS)
def test_count_is_that_of_the_counter_of_torch(backbone, shape, method, options):
    _, model = make(backbone, method, options, **shape)
    batch = random_rows(SCHEMA, 24).range(0, 24)
    in_place = {torch.ops.aten.addmm_: lambda _, left, right, **__: 2 * left.numel() * right[1]}
    counter = FlopCounterMode(display=False, custom_mapping=in_place)

    found = count_multiply_adds(model, batch)

    with torch.no_grad():
        model.eval()(batch)  # keeps what is computed once for all passes
        with counter:
            model(batch)
    assert 2 * found == counter.get_total_flops() > 0


def test_mean_over_a_bag_is_counted():
    schema = replace(SCHEMA, bags=("tags",), bag_sizes=(9,), bag_lengths=(5,))
    config, model = make("dnn", "plain", schema=schema)

    found = multiply_adds(model, random_rows(schema, 1))

    assert found["multiply_adds"] == 5 * 2 + 10 * 3 + 6 + 2
    assert found["multiply_adds"] == work_of(config, model).of(1, 1)


def test_cost_of_a_run_leaves_the_model_as_it_was():
    _, model = make("dnn", "star")
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}

    found = cost_of(
        model,
        random_rows(SCHEMA, 1),
        predictor=model,
        training=Training(steps=7, sample_visits=1_792),
    )

    assert (found["optimizer_steps"], found["sample_visits"]) == (7, 1_792)
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_latency_is_that_of_every_batch_size():
    seen = []

    def predictor(batch):
        seen.append((len(batch), torch.is_inference_mode_enabled()))
        return batch.label

    found = latency(predictor, random_rows(SCHEMA, 40), {1: 20, 32: 5, 64: 3})

    sizes = [size for size, _ in seen]
    assert (sizes.count(1), sizes.count(32), sizes.count(40)) == (30, 15, 13)  # 10 to warm up
    assert all(is_inference for _, is_inference in seen)
    for size in (1, 32, 64):
        p50, p99 = (found[f"latency_batch{size}_p{p}_milliseconds"] for p in (50, 99))
        assert 0.0 < p50 <= p99


def test_random_rows_have_the_stated_share_of_domains():
    rows = random_rows(random_schema((4, 9, 12, 7), num_domains=218), 25_600)

    batches = [rows.range(start, start + 256) for start in range(0, 25_600, 256)]
    distinct = [len(batch.domain_id.unique()) for batch in batches]

    assert sum(distinct) / len(distinct) == pytest.approx(81, abs=2)
    whole = rows.range(0, 25_600)
    assert whole.domain_id.min() == 1
    assert whole.domain_id.max() <= 218
    assert torch.equal(whole.domain_id, whole.task_id)
    tuples = torch.cat([whole.domain_id.unsqueeze(1), whole.codes[:, :3]], dim=1)
    assert len(tuples.unique(dim=0)) == len(whole.domain_id.unique())


def test_growth_exponent_is_one_for_what_grows_with_the_domains():
    assert growth_exponent([10.0, 100.0, 1_000.0, 5_000.0]) == pytest.approx(1.0)
    assert growth_exponent([3.0, 1.0, 9.0, 3.0]) == pytest.approx(0.0)


def test_compact_cell_has_fewer_multiply_adds_than_its_masked_network(monkeypatch):
    for name, value in {"NUM_ROWS": 600, "WARM_UP_STEPS": 1, "STEPS": 2}.items():
        monkeypatch.setattr(cells, name, value)
    monkeypatch.setattr(cells, "LATENCY_CALLS", {1: 3, 256: 2})

    masked, compact = (
        cells.measure_cell(
            cells.MeasuredModel(
                backbone="dnn",
                method="adasparse",
                num_domains=2,
                reads_e_d=True,
                is_compact=is_compact,
            )
        )
        for is_compact in (False, True)
    )

    backbone = 55_328  # of which (1 - 0.2)^2 is left if a fifth of every layer is pruned
    assert compact["multiply_adds"] == pytest.approx(0.64 * backbone, rel=0.1)
    assert compact["multiply_adds"] < backbone < masked["multiply_adds"]
    assert masked["train_rows_per_second"] > 0.0
