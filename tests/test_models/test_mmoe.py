"""MMoE against its equations: experts, their gates, and layers of each task's own above them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from models.interfaces import ModelShape
from models.layers.experts import ExpertLayer, ExpertStack, expert_widths, mix, start_gain
from models.registry import available
from tests.test_models.numpy_oracle import FULL_NETS, OwnOracle, backbone_of, softmax, spread

TOWER = "backbone.tower"
SHAPE = ModelShape(
    embedding_dim=8,
    n_input=24,
    n_domain=8,
    num_domains=3,
    num_tasks=3,
    hidden_dims=(128, 64, 32),
    activation="tanh",
    dropout=0.0,
    embedding_std=0.01,
    sparse_gradient=False,
)


class MixtureOracle(OwnOracle):
    """Experts one after the other, each a stack, weighted row by row."""

    def expert(self, h, place, number):
        for layer in range(len([name for name in self.p if place in name]) // 2):
            weight = self.p[f"{place}.layers.{layer}.weight"][number]
            h = self.act(h @ weight.T + self.p[f"{place}.layers.{layer}.bias"][number])
        return h

    def gates(self, h):
        if f"{TOWER}.gate.affine.weight" in self.p:
            h = np.hstack([h, self.e_d])
        return softmax(self.affine(h, f"{TOWER}.gate"))

    def tower(self, h):
        gates = self.gates(h)
        experts = [self.expert(h, f"{TOWER}.experts", i) for i in range(gates.shape[1])]
        mixed = sum(gates[:, [i]] * expert for i, expert in enumerate(experts))
        return self.act(self.affine(mixed, f"{TOWER}.own"))


@pytest.fixture
def make_mmoe(make_model):
    def make(backbone="dnn", *, cross=None, shape=None, **options):
        return make_model(backbone, "mmoe", options=options, cross=cross, **shape or {})

    return make


@pytest.mark.parametrize("net", FULL_NETS)
@pytest.mark.parametrize(
    "options",
    [
        {"num_experts": 3},
        {"gate": "e_d", "num_experts": 2, "expert_width": "full"},
    ],
    ids=str,
)
def test_network_agrees_with_numpy(make_mmoe, make_batch, schema, net, options):
    backbone, cross = backbone_of(net)
    model = spread(make_mmoe(backbone, cross=cross, **options))
    batch = make_batch(60)

    oracle = MixtureOracle(model, schema, net)
    expected = oracle.logits(batch)

    assert np.ptp(expected) > 0.1
    assert np.ptp(oracle.gates(oracle.x_0), axis=0).min() > 0.1
    logits = model.train()(batch)  # the maps of unseen tasks are made at the end of training mode
    np.testing.assert_allclose(logits.detach().numpy(), expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize("backbone", available("backbones"))
def test_one_expert_is_shared_bottom_with_the_same_weights(
    make_model, make_mmoe, make_batch, backbone
):
    model = spread(make_mmoe(backbone, num_experts=1)).train()
    bottom = make_model(backbone, "shared_bottom").double().train()
    names = {
        f"{TOWER}.layers.{i}.affine.{kind}": f"{TOWER}.experts.layers.{i}.{kind}"
        for i in (0, 1)
        for kind in ("weight", "bias")
    } | {
        f"{TOWER}.layers.2.own_{kind}.weight": f"{TOWER}.own.own_{kind}.weight"
        for kind in ("weight", "bias")
    }
    found, batch = model.state_dict(), make_batch(50)
    for name, value in bottom.state_dict().items():
        value.copy_(found[names.get(name, name)].view_as(value))  # (1, N, n) to (N, n)

    torch.testing.assert_close(model(batch), bottom(batch), rtol=0, atol=1e-12)


@pytest.mark.parametrize("gate", ["task", "e_d"])
def test_weights_of_a_row_sum_to_1_and_start_equal(make_mmoe, make_batch, gate):
    model = make_mmoe(gate=gate)
    context = model.embed(make_batch(30))
    tower = model.backbone.tower

    start = tower.weights(context.x_0, context)
    after = spread(model).backbone.tower.weights(context.x_0.double(), model.embed(make_batch(30)))

    assert torch.equal(start, torch.full((30, 8), 1 / 8))
    torch.testing.assert_close(after.sum(dim=1), torch.ones(30).double())
    assert after.std(dim=0).min() > 0.01


@pytest.mark.parametrize("gate", ["task", "e_d"])
def test_experts_that_change_places_with_their_gates_change_nothing(make_mmoe, make_batch, gate):
    model, batch = spread(make_mmoe(gate=gate)), make_batch(40)
    before, order = model(batch), [3, 1, 7, 0, 2, 6, 5, 4]
    with torch.no_grad():
        for name, value in model.named_parameters():
            if ".experts." in name or ".gate.affine." in name:
                value.copy_(value[order])
            elif ".gate.own_" in name:
                value.copy_(value.unflatten(1, (8, -1))[:, order].flatten(1))

    torch.testing.assert_close(model(batch), before, rtol=0, atol=1e-12)


def test_rows_have_the_gate_of_their_task(make_mmoe, make_batch):
    model, batch = spread(make_mmoe()), make_batch(40)
    before = model(batch)
    with torch.no_grad():
        model.backbone.tower.gate.own_bias.weight[2, 0] += 0.5

    moved = model(batch) != before

    assert torch.equal(moved, batch.task_id == 2)


def test_unseen_task_has_the_mean_gate_by_rows(make_mmoe, make_batch):
    model = spread(make_mmoe()).train()
    ids = torch.tensor([1, 1, 1, 3], dtype=torch.int32)
    model(replace(make_batch(4), task_id=ids))

    model.eval()

    for table in (model.backbone.tower.gate.own_weight, model.backbone.tower.gate.own_bias):
        torch.testing.assert_close(table.weight[0], (3 * table.weight[1] + table.weight[3]) / 4)


def test_no_dropout_reaches_the_gates(make_mmoe, make_batch, monkeypatch):
    model, seen = spread(make_mmoe(shape={"dropout": 0.5})), []
    monkeypatch.setattr(
        "models.methods.mmoe.mix", lambda gates, experts: seen.append(gates) or mix(gates, experts)
    )
    for is_training in (False, True, True):
        model.train(is_training)(make_batch(40))

    assert torch.equal(seen[0], seen[1])
    assert torch.equal(seen[0], seen[2])


def test_dropout_follows_the_activation_of_every_hidden_layer(make_mmoe, make_batch, monkeypatch):
    dropped = []

    def halve(values, share, is_training):
        dropped.append((values.shape[-1], values.abs().max() <= 1.0, share, is_training))
        return values / 2

    model = spread(make_mmoe(shape={"dropout": 0.5}), scale=3.0).train()
    monkeypatch.setattr(functional, "dropout", halve)

    model(make_batch(40))

    assert dropped == [(8, True, 0.5, True), (8, True, 0.5, True), (6, True, 0.5, True)]


def test_mixture_is_that_of_hand_worked_numbers():
    gates = torch.tensor([[0.25, 0.75], [1.0, 0.0]])
    experts = torch.tensor([[[4.0, 8.0], [1.0, 2.0]], [[0.0, 4.0], [5.0, 6.0]]])  # (E, B, N)

    assert mix(gates, experts).tolist() == [[1.0, 5.0], [1.0, 2.0]]


@pytest.mark.parametrize(
    ("num_experts", "widths"),
    [(1, (128, 64)), (2, (64, 32)), (4, (32, 16)), (7, (24, 16)), (8, (16, 8)), (200, (8, 8))],
)
def test_hidden_layers_are_divided_among_the_experts(num_experts, widths):
    assert expert_widths(SHAPE, num_experts) == widths
    assert expert_widths(replace(SHAPE, hidden_dims=(12, 5, 9)), num_experts)[1] == 5


def test_experts_start_at_draws_of_their_own(make_mmoe):
    for layer in make_mmoe().backbone.tower.experts.layers:
        assert len(layer.weight.flatten(1).unique(dim=0)) == 8
        assert not layer.bias.any()


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("num_experts", [1, 4])
def test_narrow_layers_start_at_the_scale_of_whole_ones(activation, num_experts):
    wide, width = replace(SHAPE, hidden_dims=(512, 512, 256), activation=activation), 128
    draw = torch.Generator().manual_seed(2)
    x = 0.01 * torch.randn(64, 24, generator=draw)

    def square(experts, above):
        for module in (*experts.layers, above):
            module.initialise(draw)
        return above(experts(x).mean(dim=0)).square().mean().item()

    gain = start_gain(width, 256, activation, whole=(512, 256), num_mixed=num_experts)
    narrow = square(
        ExpertStack(24, (width, width), num_experts, wide),
        ExpertLayer(width, 256, 1, activation, gain=gain),
    )
    whole = square(
        ExpertStack(24, (512, 512), 1, wide), ExpertLayer(512, 256, 1, activation, gain=1.0)
    )

    assert narrow == pytest.approx(whole, rel=0.25)


def test_one_hidden_layer_is_refused(make_mmoe):
    with pytest.raises(
        ValueError,
        match=r"hidden_dims must have at least 2 layers, those of experts and one of each task's"
        r" own, got \(16,\)",
    ):
        make_mmoe(shape={"hidden_dims": (16,)})


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"num_experts": 0}, "num_experts must be at least 1, got 0"),
        ({"num_experts": 2.5}, "num_experts must be an integer, got 2.5"),
        ({"gate": "domain"}, "unknown gate 'domain'; allowed: task, e_d"),
        ({"expert_width": "half"}, "unknown expert_width 'half'; allowed: divided, full"),
    ],
)
def test_options_that_cannot_be_are_refused(make_mmoe, options, reason):
    with pytest.raises(ValueError, match=reason):
        make_mmoe(**options)
