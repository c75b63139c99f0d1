"""Partitioned normalisation of STAR against batch normalisation and by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from models.methods.star import PartitionedNorm

FLOOR = 1e-3


@pytest.fixture
def norm(make_model):
    def make(**options):
        layer = make_model("dnn", "star", options=options).backbone.inputs[0]
        with torch.no_grad():
            layer.gamma.fill_(1.0)  # the paper's start, which batch normalisation has too
        return layer

    return make


@pytest.fixture
def context(make_model, make_batch):
    def make(task_id):
        batch = replace(make_batch(len(task_id)), task_id=torch.as_tensor(task_id).int())
        return make_model("dnn").embed(batch)

    return make


@pytest.mark.parametrize("rows", [40, 17])
def test_norm_of_one_domain_is_batch_norm(norm, context, rows):
    ours, theirs = norm(momentum=0.1), nn.BatchNorm1d(40, eps=FLOOR, momentum=1.0)
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


@pytest.mark.parametrize("std", [0.01, 0.3])
@pytest.mark.parametrize("floor", [1e-5, 1e-3, 0.5])
def test_norm_starts_as_the_identity(make_model, context, floor, std):
    options = {"variance_floor": floor}
    layer = make_model("dnn", "star", options=options, embedding_std=std).backbone.inputs[0]
    z = std * torch.randn(9, 40, generator=torch.Generator().manual_seed(8))

    torch.testing.assert_close(layer.eval()(z, context([0, 1, 2] * 3)), z)
    # In training a domain of normal values of the embeddings' first deviation keeps its scale.
    big = std * torch.randn(4000, 40, generator=torch.Generator().manual_seed(9))
    spread = layer.train()(big, context([1] * 4000)).std().item()
    assert spread == pytest.approx(std, rel=0.02)


def test_few_rows_move_the_running_statistics_in_proportion(norm, context):
    # Domain 2 has the mean 0.5 and the variance 4. Four rows of 16 move it by 0.2 * 4 / 16 = 0.05
    # towards E z = (1 + 3 + 2 + 2) / 4 = 2 and E z^2 = (1 + 9 + 4 + 4) / 4 = 4.5.
    layer = norm(min_rows=16, momentum=0.2)
    ctx = context([1] * 30 + [2] * 4)
    z = torch.zeros(34, 40)
    z[30:] = torch.tensor([1.0, 3.0, 2.0, 2.0]).unsqueeze(1)
    with torch.no_grad():
        layer.statistics[2] = torch.tensor([0.5, 4.0]).unsqueeze(1)
        layer.updates[2] = 3

    out = layer(z, ctx)

    mean, second = 0.95 * 0.5 + 0.05 * 2.0, 0.95 * (4.0 + 0.25) + 0.05 * 4.5
    var = second - mean**2
    assert layer.statistics[2, :, 0].tolist() == pytest.approx([mean, var])
    torch.testing.assert_close(out[30:], (z[30:] - mean) / (var + FLOOR) ** 0.5)
    assert layer.updates.tolist() == [1, 1, 4, 0]
    assert layer.whole_updates.tolist() == [1, 1, 0, 0]


def test_statistics_of_a_domain_of_few_rows_track_it(norm, context):
    # One to three rows a batch around 3 with the deviation 2, beside a large domain around 0. The
    # variance within one row is zero: an average of variances would stay far below 4.
    layer, rng = norm(momentum=0.1).double(), np.random.default_rng(0)
    moments, generator = None, torch.Generator().manual_seed(1)
    for _ in range(400):
        few = int(rng.integers(1, 4))
        ctx = context([1] * 30 + [2] * few)
        z = torch.randn(30 + few, 40, generator=generator, dtype=torch.float64)
        z[30:] = 3.0 + 2.0 * z[30:]
        layer(z, ctx)
        of_all = layer.statistics[0].numpy()
        if moments is None:
            moments = np.stack([of_all[0], of_all[1] + of_all[0] ** 2])
        own = z[30:].numpy()
        batch = np.stack([own.mean(axis=0), (own**2).mean(axis=0)])
        moments = moments + 0.1 * few / 16 * (batch - moments)

    expected = np.stack([moments[0], moments[1] - moments[0] ** 2])
    np.testing.assert_allclose(layer.statistics[2].numpy(), expected, rtol=1e-9)
    assert layer.statistics[2].mean(dim=1).tolist() == pytest.approx([3.0, 4.0], rel=0.05)
    assert layer.whole_updates[2] == 0


def test_the_first_whole_batch_of_a_domain_moves_it_all_the_way(norm, context):
    layer = norm(momentum=0.1)
    z = torch.randn(40, 40, generator=torch.Generator().manual_seed(2))
    layer(z, context([1] * 35 + [2] * 5))

    layer(z, context([1] * 20 + [2] * 20))

    torch.testing.assert_close(layer.statistics[2, 0], z[20:].mean(dim=0))
    torch.testing.assert_close(layer.statistics[2, 1], z[20:].var(dim=0))
    assert layer.updates[2] == 2


def test_norm_of_a_domain_without_statistics_uses_those_of_all_rows(norm, context):
    layer = norm()
    ctx = context([1] * 30 + [0] * 2 + [3] * 2)
    z = torch.randn(34, 40, generator=torch.Generator().manual_seed(6))

    layer(z, context([1] * 32 + [0] * 2))
    out = layer.eval()(z, ctx)

    mean, var = z.mean(dim=0), z.var(dim=0)
    torch.testing.assert_close(out[30:], (z[30:] - mean) / (var + FLOOR).sqrt())


@pytest.mark.parametrize("unseen", [0, 2, 20])
def test_statistics_of_all_rows_move_once_a_batch(norm, context, unseen):
    ours, theirs = norm(momentum=0.1), nn.BatchNorm1d(40, momentum=1.0)
    generator = torch.Generator().manual_seed(7)
    for _ in range(3):
        z = torch.randn(40, 40, generator=generator)
        z[:unseen] += 5.0
        out = ours(z, context([0] * unseen + [1] * (40 - unseen)))
        theirs(z)
        theirs.momentum = 0.1

    torch.testing.assert_close(ours.statistics[0, 0], theirs.running_mean)
    torch.testing.assert_close(ours.statistics[0, 1], theirs.running_var)
    assert ours.updates.tolist() == [3, 3, 0, 0]
    # a domain unseen in train is normalised as in evaluation, however many rows it has
    expected = (z - theirs.running_mean) / (theirs.running_var + FLOOR).sqrt()
    torch.testing.assert_close(out[:unseen], expected[:unseen])


@torch.no_grad()
def trained_norm(model, batch):
    """The model after a training pass that gave its norm statistics, and that norm."""
    model.train()(batch)
    norms = [layer for layer in model.modules() if isinstance(layer, PartitionedNorm)]
    return model.eval(), norms


@pytest.mark.parametrize("place", ["input", "tower"])
@pytest.mark.parametrize("structure", ["parallel", "stacked"])
def test_norm_sits_where_the_config_says(make_model, make_batch, place, structure):
    options, cross = {"norm_place": place}, {"structure": structure}
    model = make_model("dcnv2", "star", options=options, cross=cross)
    model, (layer,) = trained_norm(model, make_batch(200))
    seen = {}
    layer.register_forward_hook(lambda module, args, out: seen.update(read=args[0], made=out))
    first, last = model.backbone.cross[0], model.backbone.cross[-1]
    first.register_forward_hook(lambda module, args, out: seen.update(crossed=args[0]))
    last.register_forward_hook(lambda module, args, out: seen.update(x_lc=out))
    model.backbone.tower.layers[0].register_forward_hook(
        lambda module, args, out: seen.update(tower=args[0])
    )
    ctx = model.embed(make_batch(30))

    model.score(ctx)

    before_both = place == "input"
    read = seen["x_lc"] if structure == "stacked" and not before_both else ctx.x_0
    assert torch.equal(seen["read"], read)
    assert torch.equal(seen["crossed"], seen["made"] if before_both else ctx.x_0)
    if structure == "stacked" and before_both:
        assert torch.equal(seen["tower"], seen["x_lc"])
    else:
        assert torch.equal(seen["tower"], seen["made"])


def test_both_places_are_one_on_dnn(make_model, make_batch):
    logits = []
    for place in ("input", "tower"):
        model = make_model("dnn", "star", options={"norm_place": place})
        model, norms = trained_norm(model, make_batch(200))
        logits.append(model(make_batch(30)))
        assert len(norms) == 1

    assert torch.equal(*logits)


def test_diagnostics_count_tasks_with_statistics_of_their_own(make_model, make_batch):
    model = make_model("dnn", "star")
    batch = replace(make_batch(40), task_id=torch.tensor([1] * 37 + [0, 2, 2]).int())

    model, _ = trained_norm(model, batch)

    recorded = model.method.diagnostics()
    assert recorded["own_statistics"].item() == pytest.approx(2 / 3)  # of the tasks 1 to 3
    assert recorded["whole_statistics"].item() == pytest.approx(1 / 3)
    assert make_model("dnn", "star", options={"partitioned_norm": False}).method.diagnostics() == {}
