"""Weighting factors against the equations, and the hand-written backward pass against autograd."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from models.methods.adasparse import FORMS, PrunedLayer

FORM_NAMES = tuple(FORMS)
BETA, EPSILON = 2.0, 0.25


def gating(form, straight_through="gate", beta=BETA):
    return FORMS[form](beta, EPSILON, straight_through)


def of(alpha):
    return torch.tensor(alpha, dtype=torch.float64)


def factor_of(form, v, alpha, beta=BETA):
    rule = gating(form, beta=beta)
    v = torch.as_tensor(v, dtype=torch.float64)
    return rule.gain * rule.share(torch.sigmoid(v * alpha if rule.reads_alpha else v))


def oracle(form, v, alpha):
    """Equations 4 to 8 in numpy, with the paper's sign of footnote 1."""
    sigma = 1 / (1 + np.exp(-v * (1.0 if form == "scaling" else alpha)))
    v_out = sigma if form == "binarization" else BETA * sigma
    sign = (np.abs(v_out) - (0.0 if form == "scaling" else EPSILON) > 0).astype(float)
    return sign if form == "binarization" else v_out * sign


def by_autograd(h, v, alpha, form, straight_through):
    """The products h * pi, pi and r, as one writes them down, with straight-through gates."""
    s = torch.sigmoid(v if form == "scaling" else v * alpha)
    v_out = s if form == "binarization" else BETA * s
    if form == "scaling":
        return h * v_out, v_out, v.new_zeros(len(v))
    hard = (v_out > EPSILON).to(v.dtype)
    gate = hard + (s - s.detach()) if straight_through != "none" else hard
    factor = gate if form == "binarization" else v_out * gate
    if straight_through == "pass":
        factor = (hard if form == "binarization" else v_out * hard).detach()
        factor = factor + (v_out - v_out.detach())
    return h * factor, factor, 1 - gate.mean(dim=1) + 0 * v.sum()  # v has a gradient, be it zero


@pytest.fixture
def values():
    """A layer, domain embeddings, both blocks of a pruner, its bias, and an upstream gradient."""
    generator = torch.Generator().manual_seed(0)
    shapes = [(9, 5), (9, 3), (5, 5), (5, 3), (5,), (9, 5)]
    return [torch.randn(shape, dtype=torch.float64, generator=generator) for shape in shapes]


@pytest.mark.parametrize("form", FORM_NAMES)
@pytest.mark.parametrize("alpha", [0.1, 1.0, 5.0])
def test_factor_equals_the_equations(form, alpha):
    v = np.random.default_rng(0).normal(0, 3, (200, 7))

    np.testing.assert_allclose(factor_of(form, v, alpha).numpy(), oracle(form, v, alpha), 1e-12)


@pytest.mark.parametrize("form", FORM_NAMES)
@pytest.mark.parametrize("straight_through", ["gate", "pass", "none"])
@pytest.mark.parametrize("reads", ["both", "h", "e_d"])
def test_backward_equals_autograd(values, form, straight_through, reads):
    *inputs, upstream = values
    alpha, weights = 3.0, torch.linspace(-1, 2, 9, dtype=torch.float64)
    results = []
    for path in ("ours", "autograd"):
        h, e_d, layer, domain, bias = (value.detach().requires_grad_() for value in inputs)
        layer, domain = layer if reads != "e_d" else None, domain if reads != "h" else None
        if path == "ours":
            rule = gating(form, straight_through)
            pruned, share, r = PrunedLayer.apply(h, e_d, layer, domain, bias, of(alpha), rule)
            factor = rule.gain * share
        else:
            v = bias + (0 if layer is None else h @ layer.T)
            v = v + (0 if domain is None else e_d @ domain.T)
            pruned, factor, r = by_autograd(h, v, alpha, form, straight_through)
        ((pruned * upstream).sum() + (weights * r).sum() + factor.mean()).backward()
        used = [value for value in (h, e_d, layer, domain, bias) if value is not None]
        gradients = [0.0 if value.grad is None else value.grad for value in used]
        results.append([pruned.detach(), r.detach(), *gradients])

    for ours, expected in zip(*results, strict=True):
        torch.testing.assert_close(ours, expected)


@pytest.mark.parametrize("form", FORM_NAMES)
def test_layer_headed_by_the_domain_embedding_is_pruned_in_one_product(values, form):
    h, _, layer, domain, bias, upstream = values
    results = []
    for takes_head in (True, False):
        inputs = [value.detach().requires_grad_() for value in (h, layer, domain, bias)]
        e_d = None if takes_head else inputs[0][:, :3]
        pruned, _, r = PrunedLayer.apply(inputs[0], e_d, *inputs[1:], of(3.0), gating(form))
        ((pruned * upstream).sum() + 0.7 * r.mean()).backward()
        results.append([pruned.detach(), r.detach(), *(value.grad for value in inputs)])

    for ours, expected in zip(*results, strict=True):
        torch.testing.assert_close(ours, expected)


@pytest.mark.parametrize(
    ("form", "edge"), [("binarization", -math.log(3)), ("fusion", -math.log(7))]
)
@pytest.mark.parametrize("alpha", [0.1, 1.0, 5.0])
def test_gate_flips_at_the_exact_threshold(form, edge, alpha):
    below, above = factor_of(form, [edge / alpha - 1e-4, edge / alpha + 1e-4], alpha)

    assert below == 0.0
    assert above > 0.0


@pytest.mark.parametrize("form", ["binarization", "fusion"])
def test_gate_is_shut_at_epsilon_itself(form):
    rule = gating(form)
    squashed = torch.tensor([EPSILON / rule.gain])

    assert rule.share(squashed).item() == 0.0


@pytest.mark.parametrize(("beta", "expected"), [(2.0, 1.0), (1.5, 0.75)])
@pytest.mark.parametrize("alpha", [0.1, 1.0, 5.0])
def test_factor_of_an_undecided_pruner(beta, expected, alpha):
    factors = {form: factor_of(form, [0.0], alpha, beta).item() for form in FORM_NAMES}

    assert factors == {"binarization": 1.0, "scaling": expected, "fusion": expected}


@pytest.mark.parametrize("form", FORM_NAMES)
def test_sparsity_is_the_share_of_shut_gates(form):
    v = torch.tensor([[-9.0, -9.0, 0.0, 1.0], [-9.0, 2.0, 3.0, 4.0]])
    nothing, same = torch.zeros(2, 4), torch.eye(4)

    _, share, r = PrunedLayer.apply(v, v, None, same, nothing[0], torch.ones(()), gating(form))

    assert r.tolist() == ([0.0, 0.0] if form == "scaling" else [0.5, 0.25])
    assert gating(form).gates(share).sum().item() == (8 if form == "scaling" else 5)
