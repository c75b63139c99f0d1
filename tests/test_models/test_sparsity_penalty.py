"""The sparsity of AdaSparse and its penalties, equations 9 and 10."""

from __future__ import annotations

import pytest
import torch

from models.methods.adasparse.method import TrainingPass

FORMS = ("binarization", "scaling", "fusion")


def pruners_of(model):
    return {0: model.backbone.inputs[0]} | dict(enumerate(model.backbone.tower.transforms, 1))


def penalty_with(model, sparsities):
    for pruner, value in zip(pruners_of(model).values(), sparsities, strict=True):
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
    for pruner in pruners_of(model).values():
        pruner.trained = TrainingPass(sparsity, sparsity, domain)

    penalty = model.method.penalty()
    penalty.backward()

    assert penalty.item() == pytest.approx(2.0 * (0.5 * 0.1**2 + 0.25 * 0.2**2))
    assert sparsity.grad.tolist() == pytest.approx([0.05, 0.05, 0.0, -0.1])


@pytest.mark.parametrize("form", FORMS)
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


def test_scaling_is_never_sparse_and_has_no_penalty(make_model, make_batch):
    model = make_model("dnn", "adasparse", options={"form": "scaling"}).train()
    model(make_batch(40))

    assert model.method.penalty() is None
    recorded = model.method.diagnostics()
    assert all(recorded[f"sparsity/layer{i}"] == 0.0 for i in range(4))


@pytest.mark.parametrize("form", FORMS)
def test_sparsity_is_a_share(make_model, make_batch, form):
    model = make_model("dcnv2", "adasparse", options={"form": form}).train()
    for alpha in (0.1, 3.0, 50.0):
        for pruner in pruners_of(model).values():
            pruner.alpha.fill_(alpha)
        model(make_batch(40))
        recorded = model.method.diagnostics()

        assert all(0 <= recorded[f"sparsity/layer{i}"] <= 1 for i in range(4))


def test_recorded_sparsity_is_that_of_the_gates(make_model, make_batch):
    model, batch = make_model("dnn", "adasparse"), make_batch(40)
    model.method.after_step(9.0)
    model.train()(batch)
    sparsity = model.method.diagnostics()
    model.eval()(batch)

    gates = model.method.diagnostics()

    for i in range(4):
        share = 1 - gates[f"layer{i}/gate"].double().mean().item()
        assert sparsity[f"sparsity/layer{i}"].item() == pytest.approx(share)


@pytest.mark.parametrize("penalty", ["band", "l1"])
def test_no_penalty_before_a_training_pass(make_model, penalty):
    assert make_model("dnn", "adasparse", options={"penalty": penalty}).method.penalty() is None


def test_recorded_spread_is_that_of_the_domains(make_model, make_batch):
    model, batch = make_model("dnn", "adasparse"), make_batch(40)
    model.method.after_step(9.0)  # gates shut once alpha is large
    model.train()(batch)
    recorded = model.method.diagnostics()
    model.eval()(batch)

    gates = model.method.diagnostics()

    assert all(recorded[f"sparsity_spread/layer{i}"] > 0.0 for i in range(4))
    for i in range(4):
        ratio = 1 - gates[f"layer{i}/gate"].double().mean(dim=1)  # (B,)
        means = torch.stack([ratio[batch.domain_id == d].mean() for d in batch.domain_id])
        spread = (means - means.mean()).square().mean().sqrt()
        assert recorded[f"sparsity_spread/layer{i}"].item() == pytest.approx(spread.item())


@pytest.mark.parametrize(("form", "low", "high"), [("binarization", 0, 0), ("fusion", 0.1, 1)])
def test_only_the_factors_of_binarization_are_all_zero_or_one(
    make_model, make_batch, form, low, high
):
    model = make_model("dnn", "adasparse", options={"form": form}).train()
    for pruner in pruners_of(model).values():
        pruner.alpha.fill_(3.0)
    model(make_batch(40))

    recorded = model.method.diagnostics()

    assert all(low <= recorded[f"fractional/layer{i}"] <= high for i in range(4))
