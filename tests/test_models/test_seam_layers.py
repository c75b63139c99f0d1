"""The seam carries factors and norms per task, as STAR, and generated layers, as APG.

The methods here are small stand-ins that use the hooks to the full.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch
from torch import nn
from torch.nn import functional

from models.interfaces import (
    AffineLinear,
    DomainLinear,
    DomainMethod,
    DomainTransform,
    MethodEntry,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoConfig:
    pass


def entry(method):
    return MethodEntry(config=NoConfig, build=lambda config, shape: method(shape))


class FactorLinear(DomainLinear):
    """Shared weights times factors of the row's task, all ones at the start."""

    def __init__(self, n_in, n_out, shape):
        super().__init__()
        self.shared = AffineLinear(n_in, n_out, shape.activation)
        self.factor = nn.Parameter(torch.ones(shape.num_tasks, n_out, n_in))

    def forward(self, h, context):
        weight = self.shared.affine.weight * self.factor[context.task_id]  # (B, out, in)
        return torch.einsum("boi,bi->bo", weight, h) + self.shared.affine.bias


class TaskNorm(DomainTransform):
    """Standardises rows by their task: batch statistics in training, running ones else."""

    def __init__(self, n, shape):
        super().__init__()
        self.register_buffer("mean", torch.zeros(shape.num_tasks, n))
        self.register_buffer("var", torch.ones(shape.num_tasks, n))

    def forward(self, h, context):
        if not self.training:
            mean, var = self.mean[context.task_id], self.var[context.task_id]
            return (h - mean) / var.sqrt()
        out = torch.empty_like(h)
        for task in context.task_id.unique():
            rows = context.task_id == task
            mean, var = h[rows].mean(0), h[rows].var(0, unbiased=False) + 1e-5
            out[rows] = (h[rows] - mean) / var.sqrt()
            self.mean[task].lerp_(mean.detach(), 0.5)
            self.var[task].lerp_(var.detach(), 0.5)
        return out


class Factorised(DomainMethod):
    def __init__(self, shape):
        super().__init__(shape)
        self.auxiliary = nn.Linear(shape.n_input, 1)

    def initialise(self, generator):
        nn.init.zeros_(self.auxiliary.weight)
        nn.init.zeros_(self.auxiliary.bias)

    def linear(self, n_in, n_out, role):
        if role == "cross":
            return super().linear(n_in, n_out, role)
        return FactorLinear(n_in, n_out, self.shape)

    def transform(self, n, place):
        return TaskNorm(n, self.shape) if place == "input" else None

    def auxiliary_logit(self, context):
        return self.auxiliary(context.x_0).squeeze(1)


class GeneratedLinear(DomainLinear):
    """((h U) S(e_d)) V, with S from the domain embedding."""

    def __init__(self, n_in, n_out, rank, n_domain):
        super().__init__()
        self.rank = rank
        self.u, self.v = nn.Linear(n_in, rank, bias=False), nn.Linear(rank, n_out)
        self.generator = nn.Linear(n_domain, rank * rank)

    def forward(self, h, context):
        s = self.generator(context.e_d).unflatten(1, (self.rank, self.rank))  # (B, K, K)
        return self.v(torch.einsum("bk,bkj->bj", self.u(h), s))


class Generated(DomainMethod):
    def linear(self, n_in, n_out, role):
        if role != "hidden":
            return super().linear(n_in, n_out, role)
        return GeneratedLinear(n_in, n_out, 3, self.shape.n_domain)


@pytest.fixture(params=["dnn", "dcnv2"])
def backbone(request):
    return request.param


def test_unit_factors_are_the_plain_backbone(make_model, make_batch, backbone):
    plain, batch = make_model(backbone), make_batch(20)
    model = make_model(backbone, entry(Factorised))
    shared = {
        name.replace(".affine.", ".shared.affine."): value
        for name, value in plain.state_dict().items()
    }
    shared |= {name: value for name, value in plain.state_dict().items() if ".cross." in name}
    known = model.state_dict().keys()

    model.load_state_dict({k: v for k, v in shared.items() if k in known}, strict=False)

    torch.testing.assert_close(model.eval()(batch), plain.eval()(batch))


def test_factors_of_absent_tasks_have_no_gradient(make_model, make_batch, backbone):
    model, batch = make_model(backbone, entry(Factorised)), make_batch(30)
    present = replace(batch, task_id=batch.task_id.clamp(max=2))
    functional.binary_cross_entropy_with_logits(model(present), batch.label).backward()

    for layer in (*model.backbone.tower.layers, model.backbone.logit):
        assert layer.factor.grad[3].count_nonzero() == 0
        assert layer.factor.grad[1].count_nonzero() > 0


def test_running_statistics_move_in_training_and_are_saved(
    make_model, make_batch, take_rows, backbone
):
    model, batch = make_model(backbone, entry(Factorised)), make_batch(60)
    model.eval()(batch)
    assert model.backbone.inputs[0].mean.count_nonzero() == 0

    model.train()(batch)

    assert model.backbone.inputs[0].mean.count_nonzero() > 0
    fresh = make_model(backbone, entry(Factorised), seed=1)
    fresh.load_state_dict(model.state_dict())
    torch.testing.assert_close(fresh.eval()(batch), model.eval()(batch))
    torch.testing.assert_close(model(batch)[:1], model(take_rows(batch, torch.tensor([0]))))


def test_auxiliary_logit_is_added(make_model, make_batch, backbone):
    model, batch = make_model(backbone, entry(Factorised)).eval(), make_batch(9)
    before = model(batch)

    nn.init.constant_(model.method.auxiliary.bias, 0.5)

    torch.testing.assert_close(model(batch), before + 0.5)


def test_generated_layers_depend_on_the_domain_embedding(make_model, make_batch, backbone):
    model, batch = make_model(backbone, entry(Generated)), make_batch(9)
    context = model.embed(batch)
    e_d = context.e_d.detach().requires_grad_()

    logit = model.score(replace(context, e_d=e_d, x_0=context.x_0.detach()))
    logit.sum().backward()

    assert e_d.grad.abs().sum(dim=1).min() > 0
    assert not torch.equal(model.score(replace(context, e_d=context.e_d + 1)), logit)
