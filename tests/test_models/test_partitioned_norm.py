"""Partitioned normalisation of STAR against batch normalisation and by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn


@pytest.fixture
def norm(make_model):
    def make(**options):
        model = make_model("dnn", "star", options=options)
        return model.backbone.inputs[0]

    return make


@pytest.fixture
def context(make_model, make_batch):
    def make(task_id):
        batch = replace(make_batch(len(task_id)), task_id=torch.as_tensor(task_id).int())
        return make_model("dnn").embed(batch)

    return make


@pytest.mark.parametrize("rows", [40, 17])
def test_norm_of_one_domain_is_batch_norm(norm, context, rows):
    ours, theirs = norm(momentum=0.1), nn.BatchNorm1d(40, momentum=1.0)
    ctx = context([1] * rows)
    generator = torch.Generator().manual_seed(3)
    for _ in range(3):
        z = torch.randn(rows, 40, generator=generator).requires_grad_()
        mine, upstream = ours(z, ctx), torch.randn(rows, 40, generator=generator)
        (gradient,) = torch.autograd.grad((mine * upstream).sum(), z)
        other = theirs(z)
        torch.testing.assert_close(mine, other)
        expected = torch.autograd.grad((other * upstream).sum(), z)[0]
        torch.testing.assert_close(gradient, expected, atol=1e-5, rtol=1e-4)
        theirs.momentum = 0.1  # the running statistics start with the first batch

    torch.testing.assert_close(ours.statistics[1, 0], theirs.running_mean)
    torch.testing.assert_close(ours.statistics[1, 1], theirs.running_var)
    torch.testing.assert_close(ours.statistics[0], ours.statistics[1])  # of all rows
    torch.testing.assert_close(ours.eval()(z, ctx), theirs.eval()(z))


def test_norm_forgets_a_constant_of_a_domain_and_leaves_the_others(norm, context):
    layer, ctx = norm(), context([1] * 20 + [2] * 20)
    z = torch.randn(40, 40, generator=torch.Generator().manual_seed(4))
    moved = z.clone()
    moved[:20] += 3.0

    before, after = layer(z, ctx), layer(moved, ctx)

    torch.testing.assert_close(after, before, atol=1e-4, rtol=1e-4)
    assert torch.equal(after[20:], before[20:])


def test_norm_of_a_small_group_uses_running_statistics_which_stay(norm, context):
    layer = norm(min_rows=16)
    ctx = context([1] * 30 + [2] * 5)
    z = torch.randn(35, 40, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        layer.statistics[2] = torch.tensor([0.5, 4.0]).unsqueeze(1)
        layer.updates[2] = 3
    before = layer.statistics[2].clone()

    out = layer(z, ctx)

    torch.testing.assert_close(out[30:], (z[30:] - 0.5) / (4.0 + 1e-5) ** 0.5)
    assert torch.equal(layer.statistics[2], before)
    assert layer.updates.tolist() == [1, 1, 3, 0]


def test_norm_of_a_domain_without_statistics_uses_those_of_all_rows(norm, context):
    layer = norm()
    ctx = context([1] * 30 + [0] * 2 + [3] * 2)
    z = torch.randn(34, 40, generator=torch.Generator().manual_seed(6))

    out = layer(z, ctx)

    mean, var = z.mean(dim=0), z.var(dim=0)
    torch.testing.assert_close(out[30:], (z[30:] - mean) / (var + 1e-5).sqrt())
    torch.testing.assert_close(layer.eval()(z, ctx)[30:], out[30:])
