"""Whole forward passes, from codes to logits, against the equations in float64 numpy.

The oracle of AdaSparse has W_p as one matrix over [e_d ; h], in the row convention h W.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.test_models.numpy_oracle import NETS, NUM_HIDDEN, Oracle, backbone_of, sigmoid

BETA, EPSILON = 2.0, 0.25
FORMS = ("binarization", "scaling", "fusion")
PROGRESS, RAMP = 0.5, 0.6  # of an epoch
ALPHA = 0.1 + (5.0 - 0.1) * PROGRESS / RAMP
PENALTY_WEIGHT = 0.01 + (3.0 - 0.01) * PROGRESS / RAMP
every_net = pytest.mark.parametrize("net", NETS)
every_form = pytest.mark.parametrize("form", FORMS)


class AdaSparseOracle(Oracle):
    """A network with the pruners of AdaSparse."""

    def __init__(self, model, schema, net, form):
        super().__init__(model, schema, net)
        self.form = form
        self.gates, self.factors = [], []  # by pruned layer

    def prune(self, h, place):
        """Equations 2 to 8: h pi, where the model has a pruner."""
        if f"{place}.bias" not in self.p:
            return h
        read = {"weight_domain": self.e_d, "weight_layer": h}
        names = [name for name in read if f"{place}.{name}" in self.p]
        w_p = np.vstack([self.p[f"{place}.{name}"].T for name in names])
        v = np.hstack([read[name] for name in names]) @ w_p + self.p[f"{place}.bias"]
        if self.form == "scaling":
            gate, factor = np.ones_like(v), BETA * sigmoid(v)
        elif self.form == "binarization":
            gate = factor = np.where(sigmoid(ALPHA * v) > EPSILON, 1.0, 0.0)
        else:
            v_out = BETA * sigmoid(ALPHA * v)
            gate = np.where(v_out > EPSILON, 1.0, 0.0)
            factor = v_out * gate
        self.gates.append(gate)
        self.factors.append(factor)
        return h * factor

    def inputs(self, x_0):
        return self.prune(x_0, "backbone.inputs.0")

    def hidden(self, h, i):
        return self.prune(super().hidden(h, i), f"backbone.tower.transforms.{i}")

    def sparsity(self, rows=slice(None)):
        """r^l of every pruned layer."""
        return [1.0 - gate[rows].mean() for gate in self.gates]


def eq_9_10(sparsities, low=0.15, high=0.25):
    """R_s of the batch's, or of one domain's r^l."""
    middle, total = (low + high) / 2, 0.0
    for r in sparsities:
        weight = 0.0 if low <= r <= high else PENALTY_WEIGHT * abs(r - middle)
        total += weight * abs(r - middle)
    return total / len(sparsities)


@pytest.fixture
def make_double(make_model):
    """A model in float64 and partly through its schedules, no bias zero."""

    def make(net, method="plain", activation="tanh", **options):
        backbone, cross = backbone_of(net)
        model = make_model(backbone, method, options=options, cross=cross, activation=activation)
        model.double().base_logit.fill_(-1.3)
        generator = torch.Generator().manual_seed(5)
        with torch.no_grad():
            for name, values in model.named_parameters():
                if name.endswith("bias"):
                    is_pruner = ".inputs." in name or ".transforms." in name
                    low, high = (-0.8, 0.3) if is_pruner else (-0.3, 0.6)
                    values.uniform_(low, high, generator=generator)
        model.method.after_step(PROGRESS)
        return model

    return make


@every_net
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_logits_of_the_backbone(make_double, make_batch, schema, net, activation):
    model, batch = make_double(net, activation=activation), make_batch(60)

    expected = Oracle(model, schema, net, activation).logits(batch)

    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(model(batch).detach().numpy(), expected, rtol=0, atol=1e-8)


@every_net
@every_form
@pytest.mark.parametrize("reads", ["both", "e_d", "h"])
@pytest.mark.parametrize("prune_input", [True, False])
def test_logits_and_penalty_of_adasparse(
    make_double, make_batch, schema, net, form, reads, prune_input
):
    options = {"form": form, "pruner_input": reads, "prune_input": prune_input}
    model, batch = make_double(net, "adasparse", **options), make_batch(60)
    oracle = AdaSparseOracle(model, schema, net, form)
    expected = oracle.logits(batch)

    logits = model.train()(batch)

    np.testing.assert_allclose(logits.detach().numpy(), expected, rtol=0, atol=1e-8)
    assert len(oracle.gates) == NUM_HIDDEN + prune_input
    penalty = model.method.penalty()
    if form == "scaling":
        assert penalty is None
        assert oracle.sparsity() == [0.0] * len(oracle.gates)
    else:
        assert all(0.05 < r < 0.95 for r in oracle.sparsity())
        assert eq_9_10(oracle.sparsity()) > 0.0
        assert penalty.item() == pytest.approx(eq_9_10(oracle.sparsity()), abs=1e-8)
    np.testing.assert_allclose(model.eval()(batch).detach().numpy(), expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize("form", ["binarization", "fusion"])
def test_penalty_of_adasparse_by_domain(make_double, make_batch, schema, form):
    model, batch = make_double("dnn", "adasparse", form=form, r_scope="domain"), make_batch(60)
    oracle = AdaSparseOracle(model, schema, "dnn", form)
    oracle.logits(batch)
    domain = batch.domain_id.numpy()

    model.train()(batch)

    expected = sum(
        (domain == d).mean() * eq_9_10(oracle.sparsity(domain == d)) for d in np.unique(domain)
    )
    assert model.method.penalty().item() == pytest.approx(expected, abs=1e-8)


@every_form
def test_l1_penalty_of_adasparse(make_double, make_batch, schema, form):
    model, batch = make_double("dnn", "adasparse", form=form, penalty="l1"), make_batch(60)
    oracle = AdaSparseOracle(model, schema, "dnn", form)
    oracle.logits(batch)

    model.train()(batch)

    sizes = [np.abs(factor).sum(axis=1).mean() / factor.shape[1] for factor in oracle.factors]
    expected = PENALTY_WEIGHT * np.mean(sizes)
    assert model.method.penalty().item() == pytest.approx(expected, abs=1e-8)
