"""MAML's adaptation for evaluation: every task by its latest train rows, the model untouched."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from benchmark.training.trainer import TrainSplit
from models.contract.subject import WatchedAdam
from models.methods.maml import MamlConfig

BACKBONES = ("dnn", "dcnv2")


def bce(predictor, batch):
    return functional.binary_cross_entropy_with_logits(predictor(batch), batch.label)


@torch.no_grad()
def rate_by_hand(model, batch, options):
    if not options["adaptive_lr"]:
        return options["inner_rate"]
    mean = model.embed(batch).e_d.mean(dim=0)
    return (2 * options["inner_rate"] * torch.sigmoid(mean @ model.method.rate.weight)).item()


def adapted_by_hand(model, batch, options):
    """A copy of the model after plain gradient steps of its backbone on a batch."""
    clone = copy.deepcopy(model)
    optimizer = torch.optim.SGD(clone.backbone.parameters(), rate_by_hand(model, batch, options))
    for _ in range(options["inner_steps"] * options["eval_steps_factor"]):
        optimizer.zero_grad()
        bce(clone, batch).backward()
        optimizer.step()
    return clone


@pytest.fixture
def adapted(make_model, make_rows):
    """A model, the predictor that it adapts to 200 rows, and those rows; task 3 has five."""

    def make(backbone, **options):
        rows = make_rows(200)
        rows.matrix[:, -3][(rows.matrix[:, -3] == 3).nonzero()[5:]] = 2
        rows.matrix[:, -3][rows.matrix[:, -3] == 0] = 1
        split = TrainSplit(rows, range(200), 16)
        model = make_model(backbone, "maml", options=options).eval()
        if model.method.rate.weight is not None:
            generator = torch.Generator().manual_seed(7)
            torch.nn.init.normal_(model.method.rate.weight, generator=generator)
        return model, model.method.adapt(model, split), split

    return make


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("is_adaptive", [False, True])
def test_every_task_is_scored_by_steps_on_its_latest_rows(
    adapted, make_batch, backbone, is_adaptive
):
    options = {"inner_rate": 0.5, "inner_steps": 2, "eval_steps_factor": 2, "eval_rows": 30}
    options |= {"adaptive_lr": is_adaptive}
    model, predictor, split = adapted(backbone, **options)
    batch = make_batch(40, seed=5)

    for task, count in ((1, 30), (2, 30), (3, 5)):
        latest = (split.task_id == task).nonzero().squeeze(1)[-count:]
        expected = adapted_by_hand(model, split.batch(latest), options)(batch)
        of_task = replace(batch, task_id=torch.full_like(batch.task_id, task))
        assert len(latest) == count
        assert (expected - model(batch)).abs().max() > 1e-2
        torch.testing.assert_close(predictor(of_task), expected, atol=1e-5, rtol=1e-5)


def test_unseen_tasks_are_scored_by_theta_bit_by_bit(make_model, make_rows, make_batch):
    rows = make_rows(60)
    rows.matrix[:, -3] = 1
    model = make_model("dnn", "maml").eval()
    predictor = model.method.adapt(model, TrainSplit(rows, range(60), 16))
    batch = make_batch(30)
    unseen = replace(batch, task_id=torch.arange(30, dtype=torch.int32) % 2 * 3)  # 0 and 3

    assert torch.equal(predictor(unseen), model(unseen))
    assert not torch.allclose(
        predictor(replace(batch, task_id=batch.task_id * 0 + 1)), model(batch)
    )
    assert predictor(make_batch(0)).shape == (0,)


@pytest.mark.parametrize("is_training", [False, True])
def test_adaptation_changes_nothing_and_works_in_inference_mode(adapted, make_batch, is_training):
    model, _, split = adapted("dnn", inner_rate=0.5, adaptive_lr=True)
    optimizer = WatchedAdam(model)
    model.method.update(model, make_batch(64), optimizer)
    model.train(is_training)
    before = copy.deepcopy((model.state_dict(), optimizer.adam.state_dict()))
    gradients = [p.grad.clone() for p in model.parameters()]

    with torch.inference_mode():
        inside = model.method.adapt(model, split)(make_batch(20))
    outside = model.method.adapt(model, split)(make_batch(20))

    assert torch.equal(inside, outside)
    assert not inside.requires_grad
    assert model.training == is_training
    after = model.state_dict(), optimizer.adam.state_dict()
    torch.testing.assert_close(after, before, atol=0.0, rtol=0.0)
    assert all(torch.equal(p.grad, g) for p, g in zip(model.parameters(), gradients, strict=True))


def test_default_inner_rate_moves_predictions_and_a_small_one_hardly_does(make_model, make_rows):
    rows = make_rows(600)
    task, item = rows.matrix[:, -3], rows.matrix[:, 3]
    rows.matrix[:, -1] = (task % 2) ^ (item % 2)  # tasks disagree on items
    split = TrainSplit(rows, range(400), 16)
    batch = rows.range(400, 600)

    moves = {}
    for rate in (0.05, MamlConfig().inner_rate):
        model = make_model("dnn", "maml", options={"inner_rate": rate}).eval()
        adapted = model.method.adapt(model, split)(batch)
        moves[rate] = (adapted - model(batch)).abs().mean().item()

    assert moves[0.05] < 0.05
    assert moves[MamlConfig().inner_rate] > 0.1
