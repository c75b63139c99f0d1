"""PEPNet against its equations: gates by domain on the embeddings, by prior columns on layers."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch.nn import functional

from models.contract.checks import CHECKS
from models.contract.subject import Subject
from models.interfaces import DomainContext
from models.methods.pepnet import (
    EmbeddingGates,
    FirstGates,
    GatedLayer,
    GateHidden,
    PepNetConfig,
)
from models.registry import available, load_backbone, load_method
from tests.test_models.numpy_oracle import FULL_NETS, Oracle, backbone_of, sigmoid, spread

ABLATIONS = [{}, {"ppnet": False}, {"epnet": False}]
EMBEDDINGS, TOWER = "backbone.inputs.0", "backbone.tower.inputs.0"
WIDTH = 8  # of a field
HE = {"hidden_scale": 0.01}  # W1 as He draws it


class PepOracle(Oracle):
    """Gates, one after the other, by the concatenation that the paper writes."""

    x = gates_of_tower = None  # x', and the hidden values of PPNet's gates still to come

    def hidden_of(self, given, place):
        values = np.hstack([given, self.x])
        weight, bias = self.p[f"{place}.hidden.weight"], self.p[f"{place}.hidden.bias"]
        hidden = np.maximum(values @ weight.T + bias, 0.0)
        return np.split(hidden, hidden.shape[1] // 32, axis=1)

    def gated(self, h, hidden, place):
        return 2.0 * sigmoid(hidden @ self.p[f"{place}.weight"].T + self.p[f"{place}.bias"]) * h

    def inputs(self, x_0):
        self.x = x_0
        if f"{EMBEDDINGS}.weight" in self.p:
            (hidden,) = self.hidden_of(self.e_d, EMBEDDINGS)
            self.x = self.gated(x_0, hidden, EMBEDDINGS)
        return self.x

    def tower(self, h):
        if f"{TOWER}.weight" not in self.p:
            return super().tower(h)
        prior = self.x_0[:, 2 * WIDTH : 4 * WIDTH]  # user and item
        first, *self.gates_of_tower = self.hidden_of(prior, TOWER)
        return super().tower(self.gated(h, first, TOWER))

    def hidden(self, h, i):
        h, place = super().hidden(h, i), f"backbone.tower.transforms.{i}"
        return self.gated(h, self.gates_of_tower[i], place) if f"{place}.weight" in self.p else h


@pytest.mark.parametrize("net", FULL_NETS)
@pytest.mark.parametrize("options", ABLATIONS)
def test_network_agrees_with_numpy(make_model, make_batch, schema, net, options):
    backbone, cross = backbone_of(net)
    model = spread(make_model(backbone, "pepnet", options=options | HE, cross=cross))
    batch = make_batch(40)

    expected = PepOracle(model, schema, net).logits(batch)

    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(model(batch).detach().numpy(), expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize("backbone", available("backbones"))
@pytest.mark.parametrize("options", ABLATIONS)
def test_gates_without_second_layers_are_the_plain_network_bit_by_bit(
    make_model, make_batch, backbone, options
):
    plain, batch = make_model(backbone).train(), make_batch(50)
    model = make_model(backbone, "pepnet", options=options).train()  # where W2 and b2 are zero
    outcomes = []
    for one in (model, plain):
        logits = one(batch)
        functional.binary_cross_entropy_with_logits(logits, batch.label).backward()
        outcomes.append((logits.detach(), {name: p.grad for name, p in one.named_parameters()}))

    (found, gradients), (expected, others) = outcomes
    assert torch.equal(found, expected)
    assert others.keys() < gradients.keys()
    assert all(torch.equal(gradients[name], gradient) for name, gradient in others.items())


def test_neither_network_is_the_plain_one(make_model):
    model = make_model("dnn", "pepnet", options={"epnet": False, "ppnet": False})

    found, expected = (dict(one.named_parameters()) for one in (model, make_model("dnn")))
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.fixture
def shape(make_model):
    """Sizes d = 40, E_d = 16 and P K = 16."""
    return make_model("dnn", "pepnet").method.shape


def leaves(rows, *widths):
    generator = torch.Generator().manual_seed(4)
    return [
        torch.randn(rows, width, generator=generator, dtype=torch.float64).requires_grad_()
        for width in widths
    ]


def context_of(e_d, x_0):
    ids = torch.ones(len(x_0), dtype=torch.int64)
    return DomainContext(ids, ids, e_d, x_0)


def spread_layer(layer):
    layer.double()
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for values in layer.parameters():
            values.copy_(torch.randn(values.shape, generator=generator, dtype=torch.float64) / 5)
    return layer


def test_gates_on_embeddings_train_e_d_and_not_what_they_read_of_x(shape):
    e_d, x = leaves(7, shape.n_domain, shape.n_input)
    gates = spread_layer(EmbeddingGates(shape, PepNetConfig(ppnet=False), []))

    gated = gates(x, context_of(e_d, x))
    gated.sum().backward()

    gate = (gated / x).detach()
    torch.testing.assert_close(x.grad, gate)  # that of a constant gate
    assert gate.min() < 0.9
    assert gate.max() > 1.1
    assert (e_d.grad != 0).any(dim=0).all()


@pytest.mark.parametrize("epnet", [True, False])
def test_gates_on_layers_train_prior_columns_and_not_what_they_read_of_x(shape, epnet):
    x_0, x, h = leaves(7, shape.n_input, shape.n_input, 9)
    handed = [x] if epnet else []
    gates = spread_layer(FirstGates(9, shape, PepNetConfig(epnet=epnet), handed))

    gated = gates(h, context_of(x_0[:, : shape.n_domain], x_0))
    (gated.sum() + sum(hidden.sum() for hidden in handed)).backward()

    torch.testing.assert_close(h.grad, (gated / h).detach())
    assert x.grad is None
    is_prior = torch.zeros(shape.n_input, dtype=torch.bool)
    is_prior[2 * WIDTH : 4 * WIDTH] = True
    assert torch.equal((x_0.grad != 0).any(dim=0), is_prior)
    assert len(handed) == len(shape.hidden_dims)


def test_a_gate_is_twice_a_sigmoid():
    layer = GatedLayer(3, 2, [torch.tensor([[1.0, 2.0], [9e2, 0.0]])])
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.0, 0.0], [1.0, 0.5], [-1.0, 0.0]]))
        layer.bias.copy_(torch.tensor([0.0, -2.0, 0.0]))

    gated = layer(torch.tensor([[5.0, 5.0, 5.0], [1.0, 1.0, 1.0]]), None)

    expected = [[5.0, 5.0, 10 / (1 + np.e)], [1.0, 2.0, 0.0]]
    torch.testing.assert_close(gated, torch.tensor(expected, dtype=torch.float32))


@pytest.mark.parametrize("embedding_std", [0.01, 0.1])
@pytest.mark.parametrize("hidden_scale", [0.1, 1.0])
def test_hidden_values_of_gates_start_at_their_scale(shape, embedding_std, hidden_scale):
    generator = torch.Generator().manual_seed(6)
    shape = replace(shape, embedding_std=embedding_std)
    config = PepNetConfig(hidden_scale=hidden_scale, gate_hidden=128)
    layer = GateHidden(shape.n_prior, shape, config, num_gates=4)
    layer.initialise(generator)
    given, x = (
        embedding_std * torch.randn(200, n, generator=generator)
        for n in (shape.n_prior, shape.n_input)
    )

    hidden = torch.cat(layer(given, x))

    assert hidden.square().mean().sqrt().item() == pytest.approx(hidden_scale, rel=0.1)


def test_gates_differ_by_row_layer_and_unit(make_model, make_batch):
    model, batch = spread(make_model("dnn", "pepnet", options=HE)), make_batch(30)
    gates = {}

    def keep(layer, given, gated, name):
        gates[name] = (gated / given[0]).detach()

    for name, layer in model.named_modules():
        if isinstance(layer, GatedLayer):
            layer.register_forward_hook(partial(keep, name=name))
    model(batch)

    assert [*gates] == [EMBEDDINGS, TOWER, *(f"backbone.tower.transforms.{i}" for i in range(3))]
    for gate in gates.values():
        assert gate.min() > 0
        assert gate.max() < 2
        assert gate.std(dim=0).min() > 1e-4
        assert gate.std(dim=1).min() > 1e-2


@pytest.mark.parametrize("options", ABLATIONS)
def test_a_pass_leaves_nothing_behind(make_model, make_batch, options):
    model, batch = make_model("dcnv2", "pepnet", options=options), make_batch(9)

    model.train()(batch)

    assert model.method.handed == []


@pytest.mark.parametrize("options", ABLATIONS)
def test_a_broken_pass_does_not_disturb_the_next(make_model, make_batch, options):
    model, batch = spread(make_model("dnn", "pepnet", options=options | HE)), make_batch(9)
    expected = model(batch)
    layer = model.backbone.tower.layers[1]
    layer.forward = None
    with pytest.raises(TypeError):
        model(batch)
    del layer.forward

    assert torch.equal(model(batch), expected)
    assert model.method.handed == []


def test_a_copy_has_gates_of_its_own(make_model, make_batch):
    model, batch = spread(make_model("dnn", "pepnet", options=HE)), make_batch(9)
    clone = copy.deepcopy(model)

    assert torch.equal(clone(batch), model(batch))
    handed = {id(one.method.handed) for one in (model, clone)}
    assert len(handed) == 2
    layers = [layer for layer in clone.modules() if isinstance(layer, GatedLayer)]
    assert {id(layer.handed) for layer in layers} == {id(clone.method.handed)}


def test_ablations_read_what_is_theirs(make_model):
    models = [make_model("dnn", "pepnet", options=options) for options in ABLATIONS]

    assert [model.method.reads_e_d for model in models] == [True, True, False]
    own = [{name for name, _ in model.named_parameters()} for model in models]
    assert own[0] == own[1] | own[2]
    assert own[1].isdisjoint({f"{TOWER}.weight"})
    assert own[2].isdisjoint({f"{EMBEDDINGS}.weight"})


@pytest.mark.parametrize("options", ABLATIONS)
@pytest.mark.parametrize("num_domain_fields", [0, 2])
def test_ablations_train_with_and_without_domains(schema, num_domain_fields, options):
    entry = load_method("pepnet")
    entry = replace(entry, config=partial(entry.config, **options))
    seen = replace(schema, num_domain_fields=num_domain_fields)
    subject = Subject(load_backbone("dnn"), entry, seen)

    for check in ("gradients", "deep copy", "overfitting"):
        CHECKS[check](subject)
    assert CHECKS["captured step"](subject) == "can be captured"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"gate_hidden": 0}, "gate_hidden must be at least 1, got 0"),
        ({"gate_hidden": 1.5}, "gate_hidden must be an integer, got 1.5"),
        ({"hidden_scale": 0.0}, "hidden_scale must be above 0, got 0.0"),
        ({"hidden_scale": "1"}, "hidden_scale must be a finite number, got '1'"),
        ({"epnet": "yes"}, "epnet must be True or False, got 'yes'"),
        ({"ppnet": None}, "ppnet must be True or False, got None"),
    ],
)
def test_values_that_cannot_be_are_refused(options, reason):
    with pytest.raises(ValueError, match=reason):
        PepNetConfig(**options)
