"""The plain deep network and the model around it."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from models.ctr_model import ModelConfig


def test_equation_1_by_hand(make_model, make_batch):
    model, batch = make_model("dnn", hidden_dims=(3,)), make_batch(2)
    first, last = model.backbone.tower.layers[0].affine, model.backbone.logit.affine

    logit = torch.tanh(model.embed(batch).x_0 @ first.weight.T + first.bias) @ last.weight[0]

    torch.testing.assert_close(model(batch), logit + last.bias)


def test_number_of_dense_parameters(make_model):
    model = make_model("dnn")
    widths = (40, 12, 10, 6)
    expected = sum(n * m + m for n, m in pairwise(widths)) + 6 + 1

    assert sum(p.numel() for p in model.dense_parameters().values()) == expected


def test_dropout_acts_in_training_only(make_model, make_batch):
    model, batch = make_model("dnn", dropout=0.5), make_batch(64)

    assert not torch.equal(model.train()(batch), model(batch))
    assert torch.equal(model.eval()(batch), model(batch))


@pytest.mark.parametrize(
    ("activation", "bound"), [("tanh", (6 / (40 + 12)) ** 0.5), ("relu", (6 / 40) ** 0.5)]
)
def test_initial_weights_fit_the_activation(make_model, activation, bound):
    model = make_model("dnn", activation=activation)

    largest = model.backbone.tower.layers[0].affine.weight.abs().max().item()
    assert largest == pytest.approx(bound, rel=0.02)
    assert model.backbone.logit.affine.weight.abs().max() <= (6 / 7) ** 0.5


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("embedding_dim", 0),
        ("hidden_dims", ()),
        ("hidden_dims", (8, 0)),
        ("dropout", 1.0),
        ("embedding_std", 0.0),
    ],
)
def test_config_out_of_range_is_refused(name, value):
    good = {"embedding_dim": 8, "hidden_dims": (4,), "activation": "tanh", "dropout": 0.0}

    with pytest.raises(ValueError, match=name):
        ModelConfig(**good | {"embedding_std": 0.01, "sparse_gradient": True} | {name: value})
