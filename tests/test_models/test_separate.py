"""Separate and Shared-Bottom against their equations: maps of each task's own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from models.registry import available
from tests.test_models.numpy_oracle import FULL_NETS, NUM_HIDDEN, OwnOracle, backbone_of, spread

TASKS = (1, 2, 3)


def with_tasks(batch, task_id):
    return replace(batch, task_id=torch.as_tensor(task_id, dtype=torch.int32))


@pytest.mark.parametrize("net", FULL_NETS)
@pytest.mark.parametrize(
    ("method", "options"), [("separate", {}), *(("shared_bottom", n) for n in (1, 3))]
)
def test_network_agrees_with_numpy(make_model, make_batch, schema, net, method, options):
    options = {"own_layers": options} if options else {}
    backbone, cross = backbone_of(net)
    model = spread(make_model(backbone, method, options=options, cross=cross))
    batch = make_batch(60)

    expected = OwnOracle(model, schema, net).logits(batch)

    assert np.ptp(expected) > 0.1
    logits = model.train()(batch)  # the maps of unseen tasks are made at the end of training mode
    np.testing.assert_allclose(logits.detach().numpy(), expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize("backbone", available("backbones"))
@pytest.mark.parametrize("method", ["separate", "shared_bottom"])
def test_one_task_is_the_plain_network_bit_by_bit(make_model, make_batch, backbone, method):
    batch = make_batch(50)
    batch = with_tasks(batch, torch.ones(50))
    outcomes = []
    for name in (method, "plain"):
        model = make_model(backbone, name).train()
        logits = model(batch)
        functional.binary_cross_entropy_with_logits(logits, batch.label).backward()
        outcomes.append((logits.detach(), model.embedding.weight.grad))

    for found, expected in zip(*outcomes, strict=True):
        assert torch.equal(found, expected)


def test_gradient_of_a_task_is_that_of_its_rows_alone(make_model, make_batch, take_rows):
    model, batch = spread(make_model("dnn", "separate")).train(), make_batch(60)
    rows = (batch.task_id == 2).nonzero().squeeze(1)
    names = [name for name, _ in model.named_parameters() if "own_" in name]
    gradients = []
    for part in (batch, take_rows(batch, rows)):
        model.zero_grad()
        loss = functional.binary_cross_entropy_with_logits(
            model(part), part.label.double(), reduction="sum"
        )
        loss.backward()
        gradients.append([dict(model.named_parameters())[name].grad[2] for name in names])

    assert len(names) == 2 * (NUM_HIDDEN + 1)
    for whole, alone in zip(*gradients, strict=True):
        assert alone.any()
        torch.testing.assert_close(whole, alone)


def test_tasks_that_change_places_change_predictions(make_model, make_batch):
    model, batch = spread(make_model("dnn", "separate")), make_batch(40)
    before = [model(with_tasks(batch, torch.full((40,), task))) for task in (1, 3)]
    with torch.no_grad():
        for name, table in model.named_parameters():
            if "own_" in name:
                table[[1, 3]] = table[[3, 1]]

    after = [model(with_tasks(batch, torch.full((40,), task))) for task in (3, 1)]

    assert not torch.allclose(*before)
    assert torch.equal(torch.stack(before), torch.stack(after))


def test_unseen_task_has_the_mean_of_the_others_by_rows(make_model, make_batch):
    model = spread(make_model("dnn", "separate")).train()
    model(with_tasks(make_batch(8), [1, 1, 1, 1, 1, 1, 3, 3]))
    model(with_tasks(make_batch(2), [0, 3]))
    names = [name for name, _ in model.named_parameters() if "own_" in name]

    model.eval()

    for name in names:
        table = model.state_dict()[name]
        torch.testing.assert_close(table[0], (6 * table[1] + 3 * table[3]) / 9)
    assert model.method.maps.rows.tolist() == [1, 6, 0, 3]


def test_unseen_task_keeps_its_map_where_nothing_was_trained(make_model):
    model = make_model("dnn", "separate")
    before = model.backbone.logit.own_weight.weight.clone()

    model.eval()

    assert torch.equal(model.backbone.logit.own_weight.weight, before)


def test_no_own_layers_are_the_plain_network(make_model):
    model, plain = make_model("dnn", "shared_bottom", options={"own_layers": 0}), make_model("dnn")

    found, expected = (dict(one.named_parameters()) for one in (model, plain))
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_all_own_layers_are_separate_networks(make_model):
    model = make_model("dnn", "shared_bottom", options={"own_layers": NUM_HIDDEN})
    separate = make_model("dnn", "separate")

    found, expected = (dict(one.named_parameters()) for one in (model, separate))
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("own_layers", [1, 2])
@pytest.mark.parametrize("backbone", available("backbones"))
def test_the_last_layers_are_the_tasks_own(make_model, backbone, own_layers):
    model = make_model(backbone, "shared_bottom", options={"own_layers": own_layers})

    own = {name.rsplit(".", 2)[0] for name, _ in model.named_parameters() if "own_" in name}
    last = {f"backbone.tower.layers.{i}" for i in range(NUM_HIDDEN - own_layers, NUM_HIDDEN)}
    assert own == {"backbone.logit", *last}


@pytest.mark.parametrize(
    ("own_layers", "reason"),
    [
        (4, "own_layers must be from 0 to 3, the number of hidden layers, got 4"),
        (-1, "own_layers must be at least 0, got -1"),
        (1.5, "own_layers must be an integer, got 1.5"),
    ],
)
def test_number_of_own_layers_that_cannot_be_is_refused(make_model, own_layers, reason):
    with pytest.raises(ValueError, match=reason):
        make_model("dnn", "shared_bottom", options={"own_layers": own_layers})
