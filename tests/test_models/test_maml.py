"""MAML: the outer gradient."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from models.interfaces import ModelShape
from models.methods.maml import Maml, MamlConfig

BACKBONES = ("dnn", "dcnv2")
SHAPE = ModelShape(
    n_input=4,
    n_domain=2,
    num_domains=3,
    num_tasks=3,
    hidden_dims=(2,),
    activation="tanh",
    dropout=0.0,
    sparse_gradient=False,
)


def in_doubles(model, batch):
    return model.double(), replace(batch, label=batch.label.double())


def bce(model, batch):
    return functional.binary_cross_entropy_with_logits(model(batch), batch.label)


@torch.no_grad()
def spread_rate(model):
    """An adaptive rate away from its start, where all tasks have the same."""
    if model.method.rate.weight is not None:
        model.method.rate.weight.normal_(0.0, 0.1, generator=torch.Generator().manual_seed(7))
    return model


def outer_gradient(model, batch):
    """Gradients of the outer loss by name; a parameter outside of it has none."""
    model.zero_grad()
    model.method.outer_loss(model, batch).backward()
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def query_rows(take_rows, batch, support_rows):
    chunk = torch.arange(len(batch)).view(-1, 2 * support_rows)
    return take_rows(batch, chunk[:, support_rows:].flatten())


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("order", ["first", "second"])
def test_without_inner_rate_outer_gradient_is_that_of_the_pooled_query_rows(
    make_model, make_batch, take_rows, backbone, order
):
    options = {"inner_rate": 0.0, "support_rows": 4, "order": order}
    model, batch = in_doubles(make_model(backbone, "maml", options=options), make_batch(24))
    joint = make_model(backbone).double()

    found = outer_gradient(model, batch)

    bce(joint, query_rows(take_rows, batch, 4)).backward()
    for name, parameter in joint.named_parameters():
        torch.testing.assert_close(found[name], parameter.grad, atol=1e-15, rtol=1e-13)


class Quadratic:
    """L = a / 2 (theta - c)^2, as model and as rows of one task at once."""

    a, c, weight = 3.0, 0.5, torch.ones(1, 1, dtype=torch.float64)

    def __init__(self, theta):
        self.value = torch.nn.Parameter(torch.tensor(theta, dtype=torch.float64))

    def dense_parameters(self):
        return {"backbone.theta": self.value}

    def losses(self, model, thetas):
        return self.a / 2 * (thetas["backbone.theta"] - self.c) ** 2


@pytest.mark.parametrize(("order", "power"), [("first", 1), ("second", 2)])
def test_outer_gradient_of_a_quadratic(order, power):
    task, eta = Quadratic(2.0), 0.1
    method = Maml(MamlConfig(inner_rate=eta, order=order), SHAPE)

    task.losses(task, method.adapted(task, task, 1)).mean().backward()

    expected = task.a * (1 - eta * task.a) ** power * (2.0 - task.c)
    assert task.value.grad.item() == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize(
    "options", [{}, {"inner_steps": 3}, {"adapt": "head"}, {"adaptive_lr": True}], ids=str
)
def test_second_order_gradient_is_that_of_central_differences(
    make_model, make_batch, backbone, options
):
    options = {"inner_rate": 0.5, "support_rows": 4, "order": "second"} | options
    model, batch = in_doubles(make_model(backbone, "maml", options=options), make_batch(16))
    gradient = outer_gradient(spread_rate(model), batch)
    generator = torch.Generator().manual_seed(0)
    way = {n: torch.randn(g.shape, generator=generator).double() for n, g in gradient.items()}
    slope = sum((gradient[name] * way[name]).sum().item() for name in way)

    ends = []
    for step in (1e-5, -2e-5):
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter += step * way[name]
            ends.append(model.method.outer_loss(model, batch).item())

    assert gradient.keys() == dict(model.named_parameters()).keys()
    assert (ends[0] - ends[1]) / 2e-5 == pytest.approx(slope, rel=1e-6, abs=1e-8)


def loss_gradients(weights, x, label):
    """Gradients of the mean cross-entropy of a network with one tanh layer, also that of x."""
    hidden = np.tanh(x @ weights["w"].T + weights["b"])  # (n, N)
    logit = hidden @ weights["v"] + weights["c"]
    error = (1 / (1 + np.exp(-logit)) - label) / len(label)  # (n,)
    below = np.outer(error, weights["v"]) * (1 - hidden**2)  # (n, N)
    of_weights = {"w": below.T @ x, "b": below.sum(0), "v": hidden.T @ error, "c": error.sum()}
    return of_weights, below @ weights["w"]


def rate_oracle(w, support, eta):
    """eta_d, and its gradients with respect to w and to a support row of x_0."""
    mean = support[:, : len(w)].mean(0)
    sigma = 1 / (1 + np.exp(-(mean @ w)))
    slope = 2 * eta * sigma * (1 - sigma)
    of_row = np.zeros(support.shape[1])
    of_row[: len(w)] = slope * w / len(support)
    return 2 * eta * sigma, slope * mean, of_row


def maml_oracle(weights, w, rows, eta, *, is_second):
    """Outer gradients for one task, Hessian products being complex steps of the above."""
    x, label = rows
    half = len(x) // 2
    rate, rate_of_w, rate_of_row = rate_oracle(w, x[:half], eta)
    inner, _ = loss_gradients(weights, x[:half], label[:half])
    moved = {name: value - rate * inner[name] for name, value in weights.items()}
    outer, of_query = loss_gradients(moved, x[half:], label[half:])
    of_rate = -sum(np.sum(outer[name] * inner[name]) for name in weights)
    of_support = np.tile(of_rate * rate_of_row, (half, 1))
    if is_second:
        tilted = {name: value + 1e-30j * outer[name] for name, value in weights.items()}
        hessian, mixed = loss_gradients(tilted, x[:half], label[:half])
        outer = {name: value - rate * hessian[name].imag / 1e-30 for name, value in outer.items()}
        of_support -= rate * mixed.imag / 1e-30
    return outer | {"rate": of_rate * rate_of_w}, np.concatenate([of_support, of_query])


@pytest.mark.parametrize("order", ["first", "second"])
@pytest.mark.parametrize("is_adaptive", [False, True])
def test_outer_gradient_agrees_with_a_derivation_by_hand(
    make_model, make_batch, monkeypatch, order, is_adaptive
):
    options = {"inner_rate": 0.7, "support_rows": 6, "order": order, "adaptive_lr": is_adaptive}
    model = spread_rate(make_model("dnn", "maml", options=options, hidden_dims=(5,)))
    model, batch = in_doubles(model, make_batch(12))
    embedded = model.embed(batch)
    embedded.x_0.retain_grad()
    monkeypatch.setattr(model, "embed", lambda batch: embedded)
    layer, last = model.backbone.tower.layers[0].affine, model.backbone.logit.affine
    parameters = {"w": layer.weight, "b": layer.bias, "v": last.weight, "c": last.bias}
    weights = {name: value.detach().numpy() for name, value in parameters.items()}
    weights |= {"v": weights["v"][0], "c": weights["c"][0]}
    parameters |= {"rate": model.method.rate.weight} if is_adaptive else {}
    w = parameters["rate"].detach().numpy() if is_adaptive else np.zeros(16)

    outer_gradient(model, batch)

    rows = embedded.x_0.detach().numpy(), batch.label.numpy()
    expected, of_x = maml_oracle(weights, w, rows, 0.7, is_second=order == "second")
    for name, value in parameters.items():
        np.testing.assert_allclose(value.grad.numpy().squeeze(), expected[name], atol=1e-12)
    np.testing.assert_allclose(embedded.x_0.grad.numpy(), of_x, atol=1e-12)


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("order", ["first", "second"])
@pytest.mark.parametrize("is_adaptive", [False, True])
def test_tasks_together_are_the_mean_of_tasks_alone(
    make_model, make_batch, take_rows, backbone, order, is_adaptive
):
    options = {"inner_rate": 0.5, "support_rows": 4, "order": order, "inner_steps": 2}
    options |= {"adaptive_lr": is_adaptive}
    model, batch = in_doubles(make_model(backbone, "maml", options=options), make_batch(24))

    together = outer_gradient(spread_rate(model), batch)

    alone = [outer_gradient(model, take_rows(batch, torch.arange(i, i + 8))) for i in (0, 8, 16)]
    for name, value in together.items():
        mean = torch.stack([gradient[name] for gradient in alone]).mean(dim=0)
        torch.testing.assert_close(value, mean, atol=1e-14, rtol=1e-12)


def test_one_row_takes_the_plain_step(make_model, make_batch):
    model, batch = in_doubles(make_model("dnn", "maml"), make_batch(1))

    found = outer_gradient(model, batch)

    model.zero_grad()
    bce(model, batch).backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(found[name], parameter.grad)


def test_adaptive_rate_starts_as_the_plain_one_and_learns(make_model, make_batch):
    plain, own = ({"support_rows": 4, "adaptive_lr": value} for value in (False, True))
    batch = make_batch(16)

    expected = outer_gradient(make_model("dnn", "maml", options=plain), batch)
    found = outer_gradient(make_model("dnn", "maml", options=own), batch)

    assert found.pop("method.rate.weight").count_nonzero() > 0
    for name, value in expected.items():
        if name != "embedding.weight":  # the rate reads e_d
            torch.testing.assert_close(found[name], value)
