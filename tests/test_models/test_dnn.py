"""The plain deep network and the model around it."""

from __future__ import annotations

import pytest
import torch


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
