"""MAML: the outer gradient."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from benchmark.training.trainer import TrainSplit
from datasets.loader import Batch
from models.contract.subject import WatchedAdam
from models.interfaces import DomainContext, ModelShape
from models.layers.task_parameters import TaskRows, stacked_rows
from models.methods.maml import Maml, MamlConfig

BACKBONES = ("dnn", "dcnv2")
SHAPE = ModelShape(
    n_input=4,
    n_domain=2,
    embedding_dim=2,
    num_domains=3,
    num_tasks=3,
    hidden_dims=(2,),
    activation="tanh",
    dropout=0.0,
    embedding_std=0.01,
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
    model.method.loss(model, batch).backward()
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def one_half(n, support_rows):
    """The positions of the newer half of the first chunk, the older of the second, and so on."""
    chunks = torch.arange(n).split(2 * support_rows if n % (2 * support_rows) == 0 else n)
    halves = [chunk.tensor_split([len(chunk) // 2]) for chunk in chunks]
    return torch.cat([pair[(i + 1) % 2] for i, pair in enumerate(halves)])


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("order", ["first", "second"])
@pytest.mark.parametrize("outer", ["symmetric", "query"])
@pytest.mark.parametrize("n", [24, 8, 14, 13, 3, 2, 1])
def test_without_inner_rate_outer_gradient_is_that_of_joint_training(
    make_model, make_batch, take_rows, backbone, order, outer, n
):
    options = {"inner_rate": 0.0, "support_rows": 4, "order": order, "outer": outer}
    model, batch = in_doubles(make_model(backbone, "maml", options=options), make_batch(n))
    joint = make_model(backbone).double()
    judged = torch.arange(n) if outer == "symmetric" else one_half(n, 4)

    found = outer_gradient(model, batch)

    assert model.method.loss_rows(n) == len(judged)
    bce(joint, take_rows(batch, judged)).backward()
    for name, parameter in joint.named_parameters():
        torch.testing.assert_close(found[name], parameter.grad, atol=1e-15, rtol=1e-12)


class Quadratic:
    """A model of one parameter for rows with the loss a / 2 (theta - c)^2, c being their labels."""

    a = 3.0

    def __init__(self, theta):
        self.value = torch.nn.Parameter(torch.tensor(theta, dtype=torch.float64))

    def dense_parameters(self):
        return {"backbone.theta": self.value}

    def embed(self, batch):
        return DomainContext(*torch.zeros(4, len(batch), 1, dtype=torch.float64))

    @classmethod
    def losses(cls, rows, model, thetas):
        distance = thetas["backbone.theta"].unsqueeze(1) - rows.label  # (T, n)
        return (rows.weight * cls.a / 2 * distance**2).sum(dim=1)


@pytest.mark.parametrize(
    ("outer", "centres", "expected"),
    [  # theta 2 and eta 0.1: 2 - 0.1 * 3 * (2 - 0.5) = 1.55 by the older, and so on
        ("symmetric", [0.5, -1.0], (3 * (1.55 + 1.0) + 3 * (1.1 - 0.5)) / 2),
        ("query", [0.5, -1.0], 3 * (1.55 + 1.0)),
        ("query", [0.5, -1.0, 0.5, -1.0], (3 * (1.55 + 1.0) + 3 * (1.1 - 0.5)) / 2),
        ("symmetric", [0.5, -1.0, 2.0], (3 * (1.55 + 1) + 3 * (1.55 - 2) + 3 * (1.55 - 0.5)) / 3),
        ("query", [0.5, -1.0, 2.0], (3 * (1.55 + 1.0) + 3 * (1.55 - 2.0)) / 2),
        ("symmetric", [0.5], 3 * (2.0 - 0.5)),
    ],
)
@pytest.mark.parametrize("order", ["first", "second"])
def test_outer_gradient_of_a_quadratic(monkeypatch, outer, centres, expected, order):
    monkeypatch.setattr(TaskRows, "losses", lambda *args: Quadratic.losses(*args))
    config = MamlConfig(inner_rate=0.1, support_rows=1, outer=outer, order=order)
    model, c = Quadratic(2.0), torch.tensor(centres, dtype=torch.float64)
    rows = Batch(c, (), c, c, c, c, label=c)

    Maml(config, SHAPE).loss(model, rows).backward()

    factor = 1 - 0.1 * 3 if order == "second" and len(centres) > 1 else 1.0
    assert model.value.grad.item() == pytest.approx(factor * expected, rel=1e-13)


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize(
    "options",
    [{}, {"inner_steps": 3}, {"adapt": "head"}, {"adaptive_lr": True}, {"outer": "query"}],
    ids=str,
)
@pytest.mark.parametrize("n", [16, 13])
def test_second_order_gradient_is_that_of_central_differences(
    make_model, make_batch, backbone, options, n
):
    options = {"inner_rate": 0.5, "support_rows": 4, "order": "second"} | options
    model, batch = in_doubles(make_model(backbone, "maml", options=options), make_batch(n))
    gradient = outer_gradient(spread_rate(model), batch)
    generator = torch.Generator().manual_seed(0)
    way = {n: torch.randn(g.shape, generator=generator).double() for n, g in gradient.items()}
    slope = sum((gradient[name] * way[name]).sum().item() for name in way)

    ends = []
    for step in (1e-5, -2e-5):
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter += step * way[name]
            ends.append(model.method.loss(model, batch).item())

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


def one_way_oracle(weights, w, support, query, eta, *, is_second):
    """Gradients of the mean query loss, Hessian products being complex steps of the above."""
    rate, rate_of_w, rate_of_row = rate_oracle(w, support[0], eta)
    inner, _ = loss_gradients(weights, *support)
    moved = {name: value - rate * inner[name] for name, value in weights.items()}
    outer, of_query = loss_gradients(moved, *query)
    of_rate = -sum(np.sum(outer[name] * inner[name]) for name in weights)
    of_support = np.tile(of_rate * rate_of_row, (len(support[1]), 1))
    if is_second:
        tilted = {name: value + 1e-30j * outer[name] for name, value in weights.items()}
        hessian, mixed = loss_gradients(tilted, *support)
        outer = {name: value - rate * hessian[name].imag / 1e-30 for name, value in outer.items()}
        of_support -= rate * mixed.imag / 1e-30
    return outer | {"rate": of_rate * rate_of_w}, of_support, of_query


def maml_oracle(weights, w, rows, eta, *, is_second):
    """Outer gradients for one task: both halves judged, every row with the same weight."""
    x, label = rows
    older, newer = np.split(np.arange(len(x)), [len(x) // 2])
    total, of_x = dict.fromkeys((*weights, "rate"), 0.0), np.zeros_like(x)
    for s, q in ((older, newer), (newer, older)):
        halves = (x[s], label[s]), (x[q], label[q])
        outer, of_support, of_query = one_way_oracle(weights, w, *halves, eta, is_second=is_second)
        share = len(q) / len(x)
        total = {name: value + share * outer[name] for name, value in total.items()}
        of_x[s] += share * of_support
        of_x[q] += share * of_query
    return total, of_x


@pytest.mark.parametrize("order", ["first", "second"])
@pytest.mark.parametrize("is_adaptive", [False, True])
@pytest.mark.parametrize("n", [12, 11])
def test_outer_gradient_agrees_with_a_derivation_by_hand(
    make_model, make_batch, monkeypatch, order, is_adaptive, n
):
    options = {"inner_rate": 0.7, "support_rows": 6, "order": order, "adaptive_lr": is_adaptive}
    model = spread_rate(make_model("dnn", "maml", options=options, hidden_dims=(5,)))
    model, batch = in_doubles(model, make_batch(n))
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
def test_stack_is_the_mean_of_tasks_and_directions_alone(
    make_model, make_batch, take_rows, backbone, order, is_adaptive
):
    options = {"inner_rate": 0.5, "support_rows": 4, "order": order, "inner_steps": 2}
    options |= {"adaptive_lr": is_adaptive}
    model, batch = in_doubles(make_model(backbone, "maml", options=options), make_batch(24))
    one_way = make_model(backbone, "maml", options=options | {"outer": "query"}).double()

    together = outer_gradient(spread_rate(model), batch)

    ways = [c.roll(shift) for c in torch.arange(24).split(8) for shift in (0, 4)]
    alone = [outer_gradient(spread_rate(one_way), take_rows(batch, way)) for way in ways]
    for name, value in together.items():
        mean = torch.stack([gradient[name] for gradient in alone]).mean(dim=0)
        torch.testing.assert_close(value, mean, atol=1e-14, rtol=1e-12)


def test_adaptive_rate_starts_as_the_plain_one_and_learns(make_model, make_batch):
    plain, own = ({"support_rows": 4, "adaptive_lr": value} for value in (False, True))
    batch = make_batch(16)

    expected = outer_gradient(make_model("dnn", "maml", options=plain), batch)
    found = outer_gradient(make_model("dnn", "maml", options=own), batch)

    assert found.pop("method.rate.weight").count_nonzero() > 0
    for name, value in expected.items():
        if name != "embedding.weight":  # the rate reads e_d
            torch.testing.assert_close(found[name], value)


@pytest.mark.parametrize("backbone", ["dnn", "dcnv2"])
def test_head_is_the_last_hidden_layer_and_the_logit(make_model, backbone):
    model = copy.deepcopy(make_model(backbone, "maml", options={"adapt": "head"}))

    layers = ("backbone.tower.layers.2", "backbone.logit")
    kinds = ("affine.weight", "affine.bias")
    assert model.method.theta(model).keys() == {f"{a}.{b}" for a in layers for b in kinds}


@pytest.mark.parametrize(
    ("cross", "order"), [("full", "first"), ("lowrank", "second"), ("moe", "second")]
)
def test_every_cross_network_and_dropout_can_be_adapted(make_model, make_batch, cross, order):
    options = {"support_rows": 4, "order": order}
    form = {"cross": cross, "rank": 3}
    model = make_model("dcnv2", "maml", options=options, cross=form, dropout=0.3).train()
    batch = make_batch(48)
    optimizer = WatchedAdam(model, 1e-2)

    losses = [model.method.update(model, batch, optimizer) for _ in range(60)]

    assert losses[-1] < 0.7 * losses[0]
    assert all(p.grad.isfinite().all() and p.grad.any() for p in model.parameters())


def test_every_task_has_dropout_of_its_own(make_model, make_batch, take_rows):
    model = make_model("dnn", "maml", dropout=0.3)
    same_rows = take_rows(make_batch(6), torch.arange(6).repeat(3))
    tasks = stacked_rows(model, same_rows, torch.ones(3, 6))
    thetas = model.method.adapted(model, tasks, steps=0)

    dropped, whole = (tasks.losses(model.train(mode), thetas).tolist() for mode in (True, False))

    assert len({round(loss, 4) for loss in dropped}) == 3
    assert whole == pytest.approx([whole[0]] * 3)


def test_batches_are_of_the_rows_given_and_go_on_where_they_were(make_model, make_rows):
    model = make_model("dnn", "maml", options={"support_rows": 4})
    split, other = (TrainSplit(make_rows(n), range(n), 16) for n in (70, 50))

    first, second = (list(model.method.batches(split, torch.Generator())) for _ in range(2))
    of_other = list(model.method.batches(other, torch.Generator()))

    assert [len(ids) for ids in first] == [16, 16, 16, 16, 6]
    assert [len(ids) for ids in of_other] == [16, 16, 16, 2]
    assert max(ids.max() for ids in of_other) < 50
    assert not torch.equal(torch.cat(first), torch.cat(second))
    assert copy.deepcopy(model).method._sampler is None


@pytest.mark.parametrize("support_rows", [3, 16, 5])
def test_support_rows_that_do_not_divide_the_batch_are_refused_before_it(
    make_model, make_rows, support_rows
):
    model = make_model("dnn", "maml", options={"support_rows": support_rows})

    with pytest.raises(ValueError, match=rf"is {support_rows}.*batch size 16.*: 1, 2, 4, 8$"):
        model.method.batches(TrainSplit(make_rows(70), range(70), 16), torch.Generator())
