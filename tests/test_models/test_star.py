"""STAR against its equations: star-topology layers, partitioned norm, auxiliary network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

TASK_OF = torch.tensor([1, 1, 2, 3, 2, 1, 3, 0], dtype=torch.int32)


def layers_of(model):
    return [*model.backbone.tower.layers, model.backbone.logit]


@torch.no_grad()
def spread(model, seed=0):
    """Every parameter and statistic away from its neutral start."""
    generator = torch.Generator().manual_seed(seed)
    for name, value in model.named_parameters():
        if "own_" in name:
            value[1:] += 0.3 * torch.randn(value[1:].shape, generator=generator)
        elif name != "embedding.weight":
            value += 0.1 * torch.randn(value.shape, generator=generator)
    norm = model.backbone.inputs[0]
    norm.statistics.uniform_(0.2, 1.0, generator=generator)
    norm.updates.fill_(1)
    return model


def test_factor_gradients_are_those_of_the_product(make_model, make_batch):
    # dL/dW = sum_p W_p * G_p and dL/dW_p = W * G_p, with G_p the gradient of W*_p.
    model, batch = spread(make_model("dnn", "star").double()), make_batch(60)
    layer = layers_of(model)[1]
    captured = {}
    layer.register_forward_hook(lambda module, args, out: captured.update(h=args[0], out=out))
    logit = model.train()(batch)
    captured["out"].retain_grad()
    functional.binary_cross_entropy_with_logits(logit, batch.label.double()).backward()

    own = layer.own_weight.weight.detach().view(-1, *layer.affine.weight.shape)
    expected = torch.zeros_like(layer.affine.weight)
    for task in batch.task_id.unique().tolist():
        rows = batch.task_id == task
        product = captured["out"].grad[rows].T @ captured["h"].detach()[rows]  # G_p
        expected += own[task] * product
        of_task = layer.own_weight.weight.grad[task].view_as(product)
        if task:
            torch.testing.assert_close(of_task, layer.affine.weight * product)
        else:
            assert of_task.count_nonzero() == 0  # the domain unseen in train is frozen
    torch.testing.assert_close(layer.affine.weight.grad, expected)


@pytest.mark.parametrize(("backbone", "num_tables"), [("dnn", 10), ("dcnv2", 16)])
@pytest.mark.parametrize("is_sparse", [False, True])
def test_domains_seen_in_train_and_in_the_batch_have_gradients(
    make_model, make_batch, backbone, num_tables, is_sparse
):
    options = {"star_cross": True}
    model = spread(make_model(backbone, "star", options=options, sparse_gradient=is_sparse))
    batch = make_batch(60)
    batch = replace(batch, task_id=batch.task_id.clamp(max=2))  # without domain 3
    tables = {name: p for name, p in model.named_parameters() if "own_" in name}

    functional.binary_cross_entropy_with_logits(model.train()(batch), batch.label).backward()

    assert batch.task_id.unique().tolist() == [0, 1, 2]
    assert len(tables) == num_tables
    for name, table in tables.items():
        has_gradient = table.grad.to_dense().any(dim=1).tolist()
        assert has_gradient == [False, True, True, False], name


@pytest.mark.parametrize("backbone", ["dnn", "dcnv2"])
def test_row_wise_and_dense_gradients_agree(make_model, make_batch, backbone):
    batch, gradients = make_batch(50), []
    for is_sparse in (True, False):
        options = {"star_cross": True, "factor_l2": 0.1}
        model = make_model(backbone, "star", options=options, sparse_gradient=is_sparse).train()
        spread(model)
        loss = functional.binary_cross_entropy_with_logits(model(batch), batch.label)
        (loss + model.method.penalty()).backward()
        gradients.append({n: p.grad.to_dense() for n, p in model.named_parameters()})

    for name, value in gradients[0].items():
        torch.testing.assert_close(value, gradients[1][name], msg=name)


def test_wide_and_narrow_matrices_give_the_same_gradients(monkeypatch, make_model, make_batch):
    batch, gradients = make_batch(50), []
    for wide in (1, 1 << 30):
        monkeypatch.setattr("models.layers.factors.WIDE", wide)
        model = spread(make_model("dnn", "star")).train()
        functional.binary_cross_entropy_with_logits(model(batch), batch.label).backward()
        gradients.append({name: p.grad for name, p in model.named_parameters()})

    for name, value in gradients[0].items():
        torch.testing.assert_close(value, gradients[1][name], msg=name)


@pytest.mark.parametrize("backbone", ["dnn", "dcnv2"])
@pytest.mark.parametrize("star_cross", [False, True])
def test_number_of_per_domain_parameters(make_model, backbone, star_cross):
    model = make_model(backbone, "star", options={"star_cross": star_cross})
    own = sum(p.numel() for name, p in model.named_parameters() if "own_" in name)
    last = 6 + (40 if backbone == "dcnv2" else 0)
    factorised = (40 * 12 + 12) + (12 * 10 + 10) + (10 * 6 + 6) + (last + 1) + 2 * 40
    cross = 3 * (40 * 40 + 40) if star_cross and backbone == "dcnv2" else 0

    assert own == 4 * (factorised + cross)


def test_auxiliary_network_of_the_domain_reads_the_domain_alone(make_model, make_batch):
    model = make_model("dnn", "star", options={"auxiliary_input": "domain"}).eval()
    ctx = model.embed(make_batch(9))
    moved = ctx._replace(x_0=ctx.x_0 + 1.0)

    assert torch.equal(model.method.auxiliary_logit(moved), model.method.auxiliary_logit(ctx))
    assert model.method.auxiliary_hidden.affine.in_features == 16


def test_factor_penalty_is_a_decay_towards_one(make_model, make_batch):
    model = make_model("dnn", "star", options={"factor_l2": 0.4}).train()
    batch = replace(make_batch(8), task_id=torch.tensor([1] * 6 + [2] * 2).int())
    with torch.no_grad():
        layers_of(model)[3].own_weight.weight[1] = 3.0  # 6 factors, two away from 1
    model(batch)

    penalty = model.method.penalty()
    penalty.backward()

    assert penalty.item() == pytest.approx(0.4 / 2 * 6 / 8 * 6 * 2.0**2)
    gradient = layers_of(model)[3].own_weight.weight.grad
    assert gradient[1].tolist() == pytest.approx([0.4 * 6 / 8 * 2.0] * 6)
    assert gradient[2].tolist() == [0.0] * 6
    assert make_model("dnn", "star").method.penalty() is None


def oracle(model, batch):
    """The logits of DNN + STAR in evaluation, row by row in numpy."""
    values = {name: value.detach().numpy() for name, value in model.state_dict().items()}
    x_0 = model.embedding(batch)[0].detach().numpy()
    norm = "backbone.inputs.0."
    logits = []
    for row, task in zip(x_0, batch.task_id.tolist(), strict=True):
        mean, var = values[norm + "statistics"][task]
        gamma = values[norm + "gamma"] * values[norm + "own_gamma.weight"][task]
        beta = values[norm + "beta"] + values[norm + "own_beta.weight"][task]
        h = gamma * (row - mean) / np.sqrt(var + 1e-3) + beta
        names = [f"backbone.tower.layers.{i}." for i in range(3)] + ["backbone.logit."]
        for name in names:
            weight, bias = values[name + "affine.weight"], values[name + "affine.bias"]
            own = values[name + "own_weight.weight"][task].reshape(weight.shape)
            h = (weight * own) @ h + bias + values[name + "own_bias.weight"][task]
            h = h if name == "backbone.logit." else np.tanh(h)
        aux = "method.auxiliary_"
        inner = values[aux + "hidden.affine.weight"] @ row + values[aux + "hidden.affine.bias"]
        outer = values[aux + "out.affine.weight"] @ np.tanh(inner) + values[aux + "out.affine.bias"]
        logits.append(h[0] + outer[0])
    return np.array(logits)


def test_forward_pass_equals_an_independent_derivation(make_model, make_batch):
    model, batch = spread(make_model("dnn", "star").double()).eval(), make_batch(50)
    batch = replace(batch, task_id=torch.cat([TASK_OF, batch.task_id[8:]]))

    np.testing.assert_allclose(model(batch).detach().numpy(), oracle(model, batch), atol=1e-8)
