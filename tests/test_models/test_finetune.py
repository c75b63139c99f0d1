"""Fine-tuning against its equation: SGD on a task's latest train rows, from the joint weights."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from benchmark.training.trainer import TrainSplit
from models.contract.subject import WatchedAdam
from models.layers.task_parameters import stacked_rows
from models.methods.finetune import dealt
from tests.test_models.numpy_oracle import FULL_NETS, Oracle, backbone_of, spread

BACKBONES = ("dnn", "dcnv2")
COUNTS = {1: 90, 2: 33, 3: 5}  # rows of each task


@pytest.fixture
def split(make_rows):
    """Train rows of three tasks in random order, and 60 rows beyond train."""
    rows = make_rows(188)
    task_id = torch.arange(1, 4).repeat_interleave(torch.tensor([*COUNTS.values()]))
    order = torch.randperm(128, generator=torch.Generator().manual_seed(2))
    rows.matrix[:128, -3] = task_id[order].int()
    return TrainSplit(rows, range(128), 16)


def of_task(batch, task):
    return replace(batch, task_id=torch.full_like(batch.task_id, task))


def finetuned_by_hand(model, split, task, *, rate, passes, rows):
    """A copy of the model after SGD on a task's latest rows, dealt out to batches of at most 16."""
    clone = copy.deepcopy(model)
    optimizer = torch.optim.SGD(clone.backbone.parameters(), rate)
    latest = [i for i in range(len(split)) if split.task_id[i] == task][::-1][:rows]
    num_batches = -(-len(latest) // split.batch_size)
    for _ in range(passes):
        for start in range(num_batches):
            batch = split.batch(torch.tensor(latest[start::num_batches]))
            optimizer.zero_grad()
            functional.binary_cross_entropy_with_logits(clone(batch), batch.label).backward()
            optimizer.step()
    return clone


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("passes", [1, 3])
def test_every_task_is_scored_after_sgd_on_its_latest_rows(
    make_model, make_batch, split, backbone, passes
):
    options = {"rate": 0.5, "passes": passes, "rows": 40}
    model = make_model(backbone, "finetune", options=options).eval()
    predictor, batch = model.method.adapt(model, split), make_batch(30, seed=5)

    for task in COUNTS:
        expected = finetuned_by_hand(model, split, task, **options)(batch)
        assert (expected - model(batch)).abs().max() > 1e-2
        found = predictor(of_task(batch, task))
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("net", FULL_NETS)
def test_step_and_scores_agree_with_numpy(make_model, make_batch, schema, split, net):
    backbone, cross = backbone_of(net)
    options = {"rate": 0.5, "passes": 1, "rows": 12}
    model = spread(make_model(backbone, "finetune", options=options, cross=cross)).eval()
    predictor, batch = model.method.adapt(model, split), make_batch(30)
    latest = split.batch((split.task_id == 1).nonzero().squeeze(1)[-12:])
    tensors = {name: values.numpy() for name, values in predictor.tensors().items()}
    place = tensors.pop("tasks").tolist().index(1)
    oracle = Oracle(model, schema, net)
    theta, generator = dict(oracle.p), np.random.default_rng(0)

    for _ in range(4):  # the slope of the loss along random directions, by a complex step
        way = {name: generator.standard_normal(theta[name].shape) for name in tensors}
        oracle.p = theta | {name: theta[name] + 1e-30j * way[name] for name in tensors}
        logits = oracle.logits(latest)
        loss = np.mean(np.log1p(np.exp(logits)) - latest.label.numpy() * logits)
        moved = sum(np.sum(way[n] * (theta[n] - tensors[n][place])) for n in tensors)
        assert moved / 0.5 == pytest.approx(loss.imag / 1e-30, abs=1e-8)

    oracle.p = theta | {name: values[place] for name, values in tensors.items()}
    scores = predictor(of_task(batch, 1)).numpy()
    np.testing.assert_allclose(scores, oracle.logits(batch), rtol=0, atol=1e-8)
    assert tensors.keys() == model.dense_parameters().keys()


@pytest.mark.parametrize("backbone", BACKBONES)
def test_without_a_pass_it_is_the_plain_network_bit_by_bit(make_model, make_batch, split, backbone):
    batch, outcomes = make_batch(40), []
    for method, options in (("finetune", {"passes": 0}), ("plain", {})):
        model = make_model(backbone, method, options=options).train()
        optimizer = WatchedAdam(model)
        for ids in model.method.batches(split, torch.Generator().manual_seed(3)):
            model.method.update(model, split.batch(ids), optimizer)
        predictor = model.eval().method.adapt(model, split)
        outcomes.append((model.state_dict(), predictor(batch), model(batch).detach()))

    (state, scores, _), (expected, _, logits) = outcomes
    assert state.keys() == expected.keys()
    assert all(torch.equal(state[name], expected[name]) for name in expected)
    assert torch.equal(scores, logits)


def test_unseen_task_is_scored_by_the_joint_weights(make_model, make_batch, split):
    model = make_model("dnn", "finetune", options={"rate": 0.5}).eval()

    predictor, batch = model.method.adapt(model, split), make_batch(30)

    assert torch.equal(predictor(of_task(batch, 0)), model(batch))


def test_only_train_rows_are_read_and_the_model_stays(make_model, make_batch, split):
    model = make_model("dnn", "finetune", options={"rate": 0.5}).eval()
    before, batch = copy.deepcopy(model.state_dict()), make_batch(30)
    batch = of_task(batch, 1)
    scores = []
    for changed in (range(0), range(128, 188), range(100, 128)):  # none, beyond train, of train
        split._rows.matrix[changed.start : changed.stop, -1] ^= 1  # labels
        with torch.inference_mode():
            scores.append(model.method.adapt(model, split)(batch))

    first, same, other = scores
    assert torch.equal(first, same)
    assert not torch.allclose(first, other)
    torch.testing.assert_close(model.state_dict(), before, atol=0.0, rtol=0.0)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_rows_are_dealt_out_to_batches_of_equal_size():
    counts = torch.tensor([20, 9, 7, 1])
    row_ids = torch.arange(20).expand(4, 20)
    weight = (torch.arange(20) < counts.unsqueeze(1)).double() / counts.unsqueeze(1)

    ids, share = dealt(row_ids, weight, 8)

    assert ids.shape == share.shape == (4, 3, 7)
    for task, (count, sizes) in enumerate([(20, [7, 7, 6]), (9, [5, 4]), (7, [7]), (1, [1])]):
        of_batches = [ids[task, batch][share[task, batch] > 0] for batch in range(3)]
        assert [len(batch) for batch in of_batches if len(batch)] == sizes
        assert torch.cat(of_batches).sort().values.tolist() == list(range(count))
        for first, batch in enumerate(of_batches[: len(sizes)]):
            assert batch.tolist() == list(range(first, count, len(sizes)))
            assert share[task, first].sum() == pytest.approx(1.0)


def test_task_without_rows_in_a_batch_is_not_moved_by_it(make_model, make_batch):
    model = make_model("dnn", "finetune", options={"rate": 0.5, "passes": 1}).eval()
    weight = torch.ones(2, 1, 6).double() / 6
    alone = stacked_rows(model, make_batch(12), weight)
    beside = stacked_rows(model, make_batch(24), torch.cat([weight, 0 * weight], dim=1))
    beside = beside._replace(
        **{
            name: torch.cat([getattr(alone, name), getattr(beside, name)[:, 1:]], dim=1)
            for name in beside._fields
        }
    )

    found, expected = (model.method.fine_tuned(model, batches) for batches in (beside, alone))

    torch.testing.assert_close(found, expected, atol=0.0, rtol=0.0)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"rate": -0.1}, "rate must be at least 0, got -0.1"),
        ({"passes": -1}, "passes must be at least 0, got -1"),
        ({"passes": 1.5}, "passes must be an integer, got 1.5"),
        ({"rows": 0}, "rows must be at least 1, got 0"),
    ],
    ids=str,
)
def test_value_out_of_its_range_is_refused(make_model, options, reason):
    with pytest.raises(ValueError, match=reason):
        make_model("dnn", "finetune", options=options)
