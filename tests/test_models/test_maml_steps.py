"""MAML: what its steps adapt and move, and the batches that they are taken on."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from benchmark.training.trainer import TrainSplit
from models.methods.maml import MamlConfig, stacked_rows


@pytest.mark.parametrize("backbone", ["dnn", "dcnv2"])
def test_head_is_the_last_hidden_layer_and_the_logit(make_model, backbone):
    model = copy.deepcopy(make_model(backbone, "maml", options={"adapt": "head"}))

    layers = ("backbone.tower.layers.2", "backbone.logit")
    kinds = ("affine.weight", "affine.bias")
    assert model.method.theta(model).keys() == {f"{a}.{b}" for a in layers for b in kinds}


@pytest.mark.parametrize("cross", ["full", "lowrank", "moe"])
@pytest.mark.parametrize("order", ["first", "second"])
def test_every_cross_network_and_dropout_can_be_adapted(make_model, make_batch, cross, order):
    options = {"support_rows": 4, "order": order}
    form = {"cross": cross, "rank": 3}
    model = make_model("dcnv2", "maml", options=options, cross=form, dropout=0.3).train()
    batch = make_batch(48)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)

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


def test_batch_size_is_checked_before_the_first_batch(make_model, make_rows):
    split = TrainSplit(make_rows(70), range(70), 32)

    with pytest.raises(ValueError, match=r"support_rows is 32.*batch size 32.*: 1, 2, 4, 8, 16$"):
        make_model("dnn", "maml").method.batches(split, torch.Generator())


def test_broken_outer_loss_does_not_reach_the_weights(make_model, make_batch):
    model = make_model("dnn", "maml")
    model.base_logit.fill_(float("nan"))
    before = model.backbone.logit.affine.weight.clone()

    loss = model.method.update(model, make_batch(64), torch.optim.SGD(model.parameters(), 0.1))

    assert np.isnan(loss)
    assert torch.equal(model.backbone.logit.affine.weight, before)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"inner_rate": -0.1}, r"inner_rate .* got -0\.1"),
        ({"inner_rate": float("nan")}, "inner_rate .* got nan"),
        ({"inner_steps": 0}, "inner_steps must be at least 1, got 0"),
        ({"support_rows": 0}, "support_rows must be at least 1, got 0"),
        ({"eval_rows": 0}, "eval_rows must be at least 1, got 0"),
        ({"outer": "both"}, "unknown outer 'both'; allowed: symmetric, query"),
        ({"order": "third"}, "unknown order 'third'; allowed: first, second"),
        ({"adapt": "all"}, "unknown adapt 'all'; allowed: dense, head"),
        ({"tau": 0.0}, r"tau must be in \(0, 1\], got 0.0"),
        ({"eval_steps_factor": 3}, r"one of \(1, 2, 5\), got 3"),
    ],
)
def test_values_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        MamlConfig(**options)


def test_outer_step_trains_the_rows_of_a_sparse_table(make_model, make_batch):
    model = make_model("dnn", "maml", options={"support_rows": 4}, sparse_gradient=True).train()
    before = model.embedding.weight.detach().clone()

    model.method.update(model, make_batch(16), torch.optim.SGD(model.parameters(), 0.1))

    assert model.embedding.weight.grad.is_sparse
    assert not torch.equal(model.embedding.weight, before)
