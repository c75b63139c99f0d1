"""The seam carries inner and outer updates with parameters per task, as MAML.

The method here is a small stand-in that uses the hooks to the full.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import pytest
import torch
from torch.nn import functional

from models.interfaces import DomainContext, DomainMethod, MethodEntry

bce = functional.binary_cross_entropy_with_logits


@dataclass(frozen=True, slots=True, kw_only=True)
class NoConfig:
    pass


def entry(method):
    return MethodEntry(config=NoConfig, build=lambda config, shape: method(shape))


class PerTask(DomainMethod):
    """One task a batch; the first half of its rows adapts theta, the second half judges that."""

    rate = 0.3

    def batches(self, rows, generator):
        for task in rows.task_id.unique():
            mine = (rows.task_id == task).nonzero().squeeze(1)
            yield mine[torch.randperm(len(mine), generator=generator)][: rows.batch_size]

    def update(self, model, batch, optimizer):
        optimizer.zero_grad()
        context, half = model.embed(batch), len(batch) // 2
        support, query = part(context, 0, half), part(context, half, len(batch))
        theta = self.inner(model, model.dense_parameters(), support, batch.label[:half])
        loss = bce(model.score_with(theta, query), batch.label[half:])
        loss.backward()
        optimizer.step()
        return loss.item()

    def inner(self, model, theta, context, label):
        def support_loss(theta):
            return bce(model.score_with(theta, context), label)

        gradient = torch.func.grad(support_loss)(theta)
        return {name: value - self.rate * gradient[name] for name, value in theta.items()}

    def adapt(self, model, rows):
        thetas = {}
        for task in rows.task_id.unique().tolist():
            batch = rows.batch((rows.task_id == task).nonzero().squeeze(1)[-8:])
            theta = {name: value.detach() for name, value in model.dense_parameters().items()}
            with torch.no_grad():
                context = model.embed(batch)
            thetas[task] = self.inner(model, theta, context, batch.label)
        return TaskPredictor(model, thetas)


class TaskPredictor:
    def __init__(self, model, thetas):
        self.model, self.thetas = model, thetas

    def __call__(self, batch):
        context = self.model.embed(batch)
        logit = self.model.score(context)
        for task, theta in self.thetas.items():
            rows = (batch.task_id == task).nonzero().squeeze(1)
            logit = logit.index_copy(0, rows, self.model.score_with(theta, take(context, rows)))
        return logit


def part(context, start, stop):
    return take(context, torch.arange(start, stop))


def take(context, rows):
    ids = (context.domain_id[rows], context.task_id[rows])
    return DomainContext(*ids, context.e_d[rows], context.x_0[rows])


class Rows:
    """Train rows as a method sees them."""

    def __init__(self, encoded, batch_size):
        self.encoded, self.batch_size = encoded, batch_size
        everything = encoded.range(0, len(encoded))
        self.domain_id, self.task_id = everything.domain_id, everything.task_id

    def __len__(self):
        return len(self.encoded)

    def batch(self, row_ids):
        return self.encoded.batch(row_ids)


@pytest.fixture(params=["dnn", "dcnv2"])
def backbone(request):
    return request.param


def test_no_inner_step_is_joint_training(make_model, make_batch, take_rows, backbone, monkeypatch):
    monkeypatch.setattr(PerTask, "rate", 0.0)
    batch = make_batch(20)
    query = take_rows(batch, torch.arange(10, 20))
    model, joint = make_model(backbone, entry(PerTask)), make_model(backbone)

    model.method.update(model, batch, torch.optim.SGD(model.parameters(), 0.0))
    bce(joint(query), query.label).backward()

    expected = dict(joint.named_parameters())
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[name].grad)


def test_outer_gradient_is_of_second_order(make_model, make_batch, backbone):
    batch, model = make_batch(20), make_model(backbone, entry(PerTask)).double()
    batch = replace(batch, label=batch.label.double())
    direction = torch.randn(12, 40, dtype=torch.float64)
    weight = model.backbone.tower.layers[0].affine.weight
    frozen = torch.optim.SGD(model.parameters(), 0.0)
    model.method.update(model, batch, frozen)
    slope = (weight.grad * direction).sum().item()

    losses = []
    for step in (1e-5, -2e-5):
        with torch.no_grad():
            weight += step * direction
        losses.append(model.method.update(model, batch, frozen))

    assert (losses[0] - losses[1]) / 2e-5 == pytest.approx(slope, rel=1e-4)


@pytest.mark.parametrize("sparse_gradient", [False, True])
def test_outer_step_trains_the_tables(make_model, make_rows, backbone, sparse_gradient):
    model = make_model(backbone, entry(PerTask), sparse_gradient=sparse_gradient)
    rows, before = Rows(make_rows(200), 16), model.embedding.weight.clone()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)

    for row_ids in model.method.batches(rows, torch.Generator().manual_seed(0)):
        batch = rows.batch(row_ids)
        assert len(batch.task_id.unique()) == 1
        model.method.update(model, batch, optimizer)

    assert model.embedding.weight.grad.is_sparse == sparse_gradient
    assert not torch.equal(model.embedding.weight, before)


def test_tasks_can_be_stacked(make_model, make_batch, backbone):
    model, batch = make_model(backbone, entry(PerTask)), make_batch(12)
    context = model.embed(batch)
    theta = {name: torch.stack([p, p + 0.1]) for name, p in model.dense_parameters().items()}
    blocks = context.x_0.unflatten(0, (2, 6))  # (T, n, d)

    def score(theta, x_0):
        ids = context.domain_id[:6], context.task_id[:6]
        return model.score_with(theta, DomainContext(*ids, x_0[:, :16], x_0))

    stacked = torch.func.vmap(score)(theta, blocks)

    for task in range(2):
        alone = score({name: value[task] for name, value in theta.items()}, blocks[task])
        torch.testing.assert_close(stacked[task], alone)


def test_adapted_predictor_serves_every_task_its_own(
    make_model, make_rows, make_batch, take_rows, backbone
):
    model, rows = make_model(backbone, entry(PerTask)).eval(), Rows(make_rows(200), 16)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    batch = make_batch(30, seed=5)
    unseen = replace(batch, task_id=torch.full_like(batch.task_id, 99))

    predictor = model.method.adapt(model, rows)

    with torch.inference_mode():
        assert not torch.allclose(predictor(batch), model(batch))
        assert torch.equal(predictor(unseen), model(batch))
        flipped = take_rows(batch, torch.arange(29, -1, -1))
        torch.testing.assert_close(predictor(flipped).flip(0), predictor(batch))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


def test_default_hooks(make_model, make_rows):
    model, rows = make_model("dnn"), Rows(make_rows(50), 16)
    first, second = (
        list(model.method.batches(rows, torch.Generator().manual_seed(0))) for _ in range(2)
    )

    assert [len(ids) for ids in first] == [16, 16, 16, 2]
    assert torch.cat(first).sort().values.tolist() == list(range(50))
    assert torch.equal(torch.cat(first), torch.cat(second))
    assert model.method.adapt(model, rows) is model
    assert model.method.diagnostics() == {}


def test_broken_loss_does_not_reach_the_weights(make_model, make_batch):
    model, batch = make_model("dnn"), make_batch(8)
    model.base_logit.fill_(float("nan"))
    before = model.backbone.logit.affine.weight.clone()

    loss = model.method.update(model, batch, torch.optim.SGD(model.parameters(), 0.1))

    assert math.isnan(loss)
    assert torch.equal(model.backbone.logit.affine.weight, before)
