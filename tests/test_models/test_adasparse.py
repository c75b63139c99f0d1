"""AdaSparse in a model: what is pruned and annealed, and the penalties of equations 9 and 10."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch.nn import functional

from models.methods.adasparse import TrainingPass

BACKBONES = ("dnn", "dcnv2")
CROSS = tuple(product(("full", "lowrank", "moe"), ("parallel", "stacked")))
NETS = [("dnn", {}), *(("dcnv2", {"cross": c, "structure": s, "rank": 5}) for c, s in CROSS)]
every_net = pytest.mark.parametrize("net", NETS, ids=["dnn", *("-".join(c) for c in CROSS)])
every_form = pytest.mark.parametrize("form", ["binarization", "scaling", "fusion"])


def pruners_of(model):
    return [model.backbone.inputs[0], *model.backbone.tower.transforms]


def loss_of(model, batch):
    return functional.binary_cross_entropy_with_logits(model(batch), batch.label)


@every_form
def test_bias_starts_at_zero(make_model, form):
    for pruner in pruners_of(make_model("dnn", "adasparse", options={"form": form})):
        assert pruner.bias.count_nonzero() == 0


@every_net
@every_form
def test_equation_2_undecided_pruners_leave_the_backbone_bitwise(make_model, make_batch, net, form):
    backbone, cross = net
    model = make_model(backbone, "adasparse", options={"form": form}, cross=cross)
    with torch.no_grad():
        for values in (value for pruner in pruners_of(model) for value in pruner.parameters()):
            values.zero_()
    model.method.after_step(0.4)
    batch = make_batch(33)

    assert torch.equal(model(batch), make_model(backbone, cross=cross)(batch))


@every_form
@pytest.mark.parametrize("straight_through", ["gate", "pass", "none"])
def test_gradient_of_the_pruner(make_model, make_batch, form, straight_through):
    # A public re-implementation has no straight-through gradient: Binarization never trains.
    model = make_model(
        "dnn", "adasparse", options={"form": form, "straight_through": straight_through}
    )
    loss_of(model, make_batch(40)).backward()

    largest = max(p.weight_layer.grad.abs().max() for p in pruners_of(model))

    assert (largest == 0.0) == (form == "binarization" and straight_through == "none")


@pytest.mark.parametrize(
    ("progress", "alpha", "weight"),
    [(0.0, 0.1, 0.01), (0.3, 2.55, 1.505), (0.6, 5.0, 3.0), (7.0, 5.0, 3.0)],
)
def test_schedules_rise_linearly_and_stop(make_model, progress, alpha, weight):
    model = make_model("dnn", "adasparse")

    model.method.after_step(progress)

    assert model.method.diagnostics()["alpha"].item() == pytest.approx(alpha)
    assert model.method.diagnostics()["penalty_weight"].item() == pytest.approx(weight)
    assert all(p.alpha == model.method.diagnostics()["alpha"] for p in pruners_of(model))


@pytest.mark.parametrize("is_training", [False, True])
def test_forward_moves_no_schedule(make_model, make_batch, is_training):
    # A public re-implementation raises alpha in every forward pass, evaluation included.
    model, batch = make_model("dnn", "adasparse"), make_batch(5)
    model.method.after_step(0.2)
    before = {name: value.clone() for name, value in model.named_buffers()}

    model.train(is_training)
    for _ in range(100):
        model(batch)

    assert all(torch.equal(value, before[name]) for name, value in model.named_buffers())


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize(("prune_input", "layers"), [(True, (0, 1, 2, 3)), (False, (1, 2, 3))])
def test_masks_have_the_sizes_of_the_layers(make_model, make_batch, backbone, prune_input, layers):
    model = make_model(backbone, "adasparse", options={"prune_input": prune_input}).eval()
    model(make_batch(9))

    recorded = model.method.diagnostics()

    widths = {0: 40, 1: 12, 2: 10, 3: 6}
    shapes = {name: tuple(value.shape) for name, value in recorded.items() if value.ndim == 2}
    kinds = ("factor", "gate")
    assert shapes == {f"layer{i}/{kind}": (9, widths[i]) for i in layers for kind in kinds}


@pytest.mark.parametrize("pruner_input", ["both", "e_d", "h"])
def test_number_of_pruner_parameters(make_model, pruner_input):
    options = {"pruner_input": pruner_input}
    model, plain = make_model("dnn", "adasparse", options=options), make_model("dnn")
    added = sum(p.numel() for p in model.parameters()) - sum(p.numel() for p in plain.parameters())
    read = {"both": (16, 1), "e_d": (16, 0), "h": (0, 1)}[pruner_input]

    assert added == sum(n * (read[0] + read[1] * n + 1) for n in (40, 12, 10, 6))


def penalty_with(model, sparsities):
    for pruner, value in zip(pruners_of(model), sparsities, strict=True):
        pruner.trained = TrainingPass(value.reshape(1), value, None)
    return model.method.penalty()


def test_penalty_is_nothing_inside_the_band(make_model):
    model = make_model("dnn", "adasparse")
    inside = [torch.tensor(r, requires_grad=True) for r in (0.15, 0.2, 0.22, 0.25)]

    penalty = penalty_with(model, inside)
    penalty.backward()

    assert penalty.item() == 0.0
    assert [r.grad.item() for r in inside] == [0.0] * 4


@pytest.mark.parametrize(("r", "sign"), [(0.0, -1), (0.1, -1), (0.5, 1), (1.0, 1)])
def test_penalty_outside_the_band(make_model, r, sign):
    model = make_model("dnn", "adasparse", options={"penalty_weight_start": 1.5})
    sparsities = [torch.tensor(value, requires_grad=True) for value in (r, 0.2, 0.2, 0.2)]

    penalty = penalty_with(model, sparsities)
    penalty.backward()

    assert penalty.item() == pytest.approx(1.5 * (r - 0.2) ** 2 / 4)  # L' = 4
    assert sparsities[0].grad.item() == pytest.approx(sign * 1.5 * abs(r - 0.2) / 4)


def test_penalty_by_domain_weights_each_domain_by_its_rows(make_model):
    model = make_model(
        "dnn", "adasparse", options={"r_scope": "domain", "penalty_weight_start": 2.0}
    )
    sparsity = torch.tensor([0.5, 0.1, 0.2, 0.0], requires_grad=True)  # r is 0.2 over the batch
    domain = torch.tensor([7, 7, 3, 9])  # 0.3, 0.2 and 0.0 over the domains
    for pruner in pruners_of(model):
        pruner.trained = TrainingPass(sparsity, sparsity, domain)

    penalty = model.method.penalty()
    penalty.backward()

    assert penalty.item() == pytest.approx(2.0 * (0.5 * 0.1**2 + 0.25 * 0.2**2))
    assert sparsity.grad.tolist() == pytest.approx([0.05, 0.05, 0.0, -0.1])


@every_form
def test_l1_penalty_is_the_mean_factor_and_its_gradient_lowers_it(make_model, make_batch, form):
    options = {"form": form, "penalty": "l1", "penalty_weight_start": 0.5}
    model, batch = make_model("dnn", "adasparse", options=options), make_batch(40)
    model.train()(batch)
    penalty = model.method.penalty()
    penalty.backward()

    model.eval()(batch)
    recorded = model.method.diagnostics()
    means = [recorded[f"layer{i}/factor"].mean().item() for i in range(4)]

    assert penalty.item() == pytest.approx(0.5 * sum(means) / 4)
    assert (pruners_of(model)[3].bias.grad > 0).all()  # nothing comes after the last


@pytest.mark.parametrize(("bias", "is_raised"), [(5.0, True), (-5.0, False)])
def test_descent_on_the_penalty_moves_the_sparsity_into_the_band(
    make_model, make_batch, bias, is_raised
):
    model = make_model("dnn", "adasparse").train()
    model.method.after_step(9.0)
    batch, pruner = make_batch(40), pruners_of(model)[1]
    with torch.no_grad():
        pruner.bias.copy_(torch.linspace(-0.3, 0.3, 12) + bias / 5)
    model(batch)
    before = pruner.trained.sparsity.mean().item()
    model.method.penalty().backward()

    assert ((pruner.bias.grad > 0) == is_raised).all()  # descent lowers v to prune more
    assert (before < 0.15) == is_raised


@every_form
def test_recorded_sparsity_and_spread_of_domains_are_those_of_the_gates(
    make_model, make_batch, form
):
    model = make_model("dnn", "adasparse", options={"form": form})
    batch = make_batch(40)
    model.method.after_step(9.0)  # gates shut once alpha is large
    model.train()(batch)
    recorded = model.method.diagnostics()
    model.eval()(batch)

    gates = model.method.diagnostics()

    for i in range(4):
        ratio = 1 - gates[f"layer{i}/gate"].double().mean(dim=1)  # (B,)
        means = torch.stack([ratio[batch.domain_id == d].mean() for d in batch.domain_id])
        spread = (means - means.mean()).square().mean().sqrt()
        assert recorded[f"sparsity/layer{i}"].item() == pytest.approx(ratio.mean().item())
        assert recorded[f"sparsity_spread/layer{i}"].item() == pytest.approx(spread.item())
        assert (spread > 0.0) == (form != "scaling")


@pytest.mark.parametrize("penalty", ["band", "l1"])
def test_no_penalty_before_a_training_pass(make_model, penalty):
    assert make_model("dnn", "adasparse", options={"penalty": penalty}).method.penalty() is None


@pytest.mark.parametrize(("form", "low", "high"), [("binarization", 0, 0), ("fusion", 0.1, 1)])
def test_only_the_factors_of_binarization_are_all_zero_or_one(
    make_model, make_batch, form, low, high
):
    model = make_model("dnn", "adasparse", options={"form": form}).train()
    for pruner in pruners_of(model):
        pruner.alpha.fill_(3.0)
    model(make_batch(40))

    recorded = model.method.diagnostics()

    assert all(low <= recorded[f"fractional/layer{i}"] <= high for i in range(4))
