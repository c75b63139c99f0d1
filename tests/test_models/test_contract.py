"""What every method must keep on every backbone."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from datasets.loader import EncodedRows
from models.interfaces import AffineLinear
from models.registry import available

CELLS = [(b, m) for b in available("backbones") for m in available("methods")]


@pytest.fixture(params=CELLS, ids="+".join)
def cell(request):
    return request.param


@pytest.fixture
def model(cell, make_model):
    return make_model(*cell)


def train_briefly(model, batch, steps=3):
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    model.train()
    for step in range(steps):
        model.method.update(model, batch, optimizer)
        model.method.after_step((step + 1) / steps)
    return model


@pytest.mark.parametrize("n", [0, 1, 7])
@pytest.mark.parametrize("is_training", [False, True])
def test_logits_have_one_dimension(model, make_batch, n, is_training):
    model.train(is_training)

    assert model(make_batch(n)).shape == (n,)


def test_row_in_eval_mode_is_independent_of_its_batch(model, make_batch, take_rows):
    batch = make_batch(64)
    train_briefly(model, batch).eval()

    with torch.no_grad():
        together = model(batch)
        alone = torch.cat([model(take_rows(batch, torch.tensor([i]))) for i in range(64)])
        backwards = model(take_rows(batch, torch.arange(63, -1, -1))).flip(0)

    torch.testing.assert_close(alone, together, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(backwards, together, atol=1e-6, rtol=1e-6)


def test_gradient_reaches_every_parameter(model, make_batch):
    batch = make_batch(64)
    model.train()

    loss = functional.binary_cross_entropy_with_logits(model(batch), batch.label)
    penalty = model.method.penalty()
    (loss if penalty is None else loss + penalty).backward()

    unreached = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert unreached == []
    assert all(p.grad.isfinite().all() for p in model.parameters())


def test_state_dict_reproduces_the_logits(cell, make_model, make_batch):
    batch = make_batch(64)
    trained = train_briefly(make_model(*cell), batch).eval()
    trained.base_logit.fill_(-1.5)
    fresh = make_model(*cell, seed=9).eval()

    fresh.load_state_dict(trained.state_dict())

    assert torch.equal(fresh(batch), trained(batch))


def test_copy_is_independent_and_equal(model, make_batch):
    batch = make_batch(64)
    train_briefly(model, batch)
    model.eval()
    expected = model(batch)  # a pass with its graph still alive

    clone = copy.deepcopy(model)

    assert torch.equal(clone(batch), expected)
    train_briefly(clone, batch)
    assert torch.equal(model.eval()(batch), expected)
    assert not torch.equal(clone.eval()(batch), expected)


def test_training_pass_can_be_copied(model, make_batch):
    model.train()
    model(make_batch(8))

    assert copy.deepcopy(model).state_dict().keys() == model.state_dict().keys()


def test_evaluation_leaves_the_state_alone(model, make_batch):
    batch = make_batch(64)
    train_briefly(model, batch).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}

    for _ in range(100):
        model(batch)

    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_evaluation_keeps_no_graph_and_one_batch_at_most(model, make_batch):
    model.eval()
    for n in (64, 7):
        model(make_batch(n))

    recorded = model.method.diagnostics()
    assert not any(value.requires_grad for value in recorded.values())
    assert {value.shape[0] for value in recorded.values() if value.ndim == 2} <= {7}
    model.train()
    model(make_batch(64))
    assert not [name for name, value in model.method.diagnostics().items() if value.ndim == 2]


def test_every_parameter_is_initialised_by_its_module(model, initialise):
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(float("nan"))

    initialise(model)

    assert [name for name, value in model.named_parameters() if value.isnan().any()] == []


def test_equal_names_start_equal_under_every_method(cell, make_model):
    backbone, method = cell
    plain = dict(make_model(backbone, "plain").named_parameters())
    built = make_model(backbone, method)
    model = dict(built.named_parameters())

    shared = {"embedding.weight", "backbone.logit.affine.weight"}
    shared |= {
        f"backbone.tower.layers.{i}.affine.weight"
        for i, layer in enumerate(built.backbone.tower.layers)
        if isinstance(layer, AffineLinear)
    }
    assert shared <= plain.keys() & model.keys()
    assert all(torch.equal(model[name], plain[name]) for name in plain.keys() & model.keys())


def test_base_logit_shifts_every_logit(model, make_batch):
    batch = make_batch(7)
    model.eval()
    before = model(batch)

    model.base_logit.fill_(-2.0)

    torch.testing.assert_close(model(batch), before - 2.0)


def test_domain_fields_are_inputs(model, make_batch):
    batch = make_batch(7)
    model.eval()
    codes = batch.codes.clone()
    codes[:, 0] = (codes[:, 0] + 1) % 4

    moved = model(replace(batch, codes=codes))

    assert (moved - model(batch)).abs().min() > 0


def test_one_batch_can_be_learnt_by_heart(model, make_batch):
    batch = make_batch(24)
    optimizer = torch.optim.Adam(model.parameters(), 2e-2)
    model.train()

    losses = [model.method.update(model, batch, optimizer) for _ in range(150)]

    assert losses[-1] < 0.01 < losses[0]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_agrees_with_cpu(cell, make_model, make_rows):
    rows = make_rows(64)
    model = train_briefly(make_model(*cell), rows.range(0, 64)).eval()
    expected = model(rows.range(0, 64))
    on_device = EncodedRows(rows.matrix.numpy(), rows.schema, "cuda").range(0, 64)

    logits = model.to("cuda")(on_device)

    torch.testing.assert_close(logits.cpu(), expected, atol=1e-4, rtol=1e-4)
    train_briefly(model, on_device)
