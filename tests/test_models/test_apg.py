"""APG's layer: a generated core between two static factors, and how it starts."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from models.interfaces import DomainContext, ModelShape
from models.methods.apg import Apg, ApgConfig, StaticFactor

N_DOMAIN, NUM_DOMAINS = 5, 4


def make_layer(n_in=9, n_out=6, *, activation="tanh", condition="e_d", **options):
    shape = ModelShape(
        n_input=n_in,
        n_domain=N_DOMAIN,
        embedding_dim=1,
        num_domains=NUM_DOMAINS,
        num_tasks=NUM_DOMAINS,
        hidden_dims=(n_out,),
        activation=activation,
        dropout=0.0,
        embedding_std=0.01,
        sparse_gradient=False,
    )
    config = ApgConfig(condition=condition, **options)
    layer = Apg(config, shape).linear(n_in, n_out, "hidden", 0).double()
    generator = torch.Generator().manual_seed(3)
    for module in (part for part in layer.modules() if hasattr(part, "initialise")):
        module.initialise(generator)
    return layer


def bring_to_life(module, seed=4):
    """Every parameter far from its start."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.5)
    return module


def context_of(domain_id, seed=5):
    """Rows of these domains; rows of domain 0 all differ in e_d."""
    generator = torch.Generator().manual_seed(seed)
    domain_id = torch.as_tensor(domain_id, dtype=torch.int32)
    table = torch.randn(NUM_DOMAINS, N_DOMAIN, generator=generator, dtype=torch.float64)
    alone = torch.randn(len(domain_id), N_DOMAIN, generator=generator, dtype=torch.float64)
    e_d = torch.where((domain_id > 0).unsqueeze(1), table[domain_id.long()], alone)
    return DomainContext(domain_id, domain_id, e_d, e_d)


def values(rows, n, seed=6):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, n, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("over_parameterisation", [None, 7])
def test_identity_core_and_v_make_a_dense_layer(over_parameterisation):
    layer = make_layer(rank_ratio=1.0, over_parameterisation=over_parameterisation)
    h, context = values(8, 9), context_of([1] * 8)
    weight, bias = values(9, 6, 7), values(1, 6, 8)[0]
    with torch.no_grad():
        layer.generator.weight.zero_()
        layer.bias.copy_(bias)
        for factor, whole in ((layer.u, weight), (layer.v, torch.eye(6, dtype=torch.float64))):
            factor.left.zero_()[:, :6].copy_(whole)
            if factor.right is not None:
                factor.right.copy_(torch.eye(7, 6))

    torch.testing.assert_close(layer(h, context), h @ weight + bias)


@pytest.mark.parametrize("is_training", [False, True])
def test_over_parameterised_and_folded_factors_agree(is_training):
    layer = bring_to_life(make_layer(over_parameterisation=7)).train(is_training)
    folded = make_layer().train(is_training)
    state = layer.state_dict()
    for name in ("u", "v"):
        state[f"{name}.left"] = state[f"{name}.left"] @ state.pop(f"{name}.right")
    folded.load_state_dict(state)
    h, context = values(8, 9), context_of([0, 1, 2, 3, 1, 1, 2, 0])

    stepwise = h @ layer.u.left @ layer.u.right  # the rows through all four factors
    core = layer.generator(context.e_d)[0]
    stepwise = torch.einsum("bk,bkj->bj", stepwise, core) @ layer.v.left @ layer.v.right
    torch.testing.assert_close(layer(h, context), stepwise + layer.bias)
    torch.testing.assert_close(layer(h, context), folded(h, context))


@torch.no_grad()
def test_evaluation_folds_the_factors_once():
    factor = StaticFactor((9, 4), inner=7, std=0.1).eval()
    factor.initialise(torch.Generator().manual_seed(0))

    folded = factor()

    assert factor() is folded
    assert factor.train()() is not factor()


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_folded_factors_are_never_stale(mode):
    layer = make_layer(over_parameterisation=7).eval()
    h, context = values(8, 9), context_of([1] * 8)
    with mode():
        before = layer(h, context)

    with torch.no_grad():
        layer.u.right.mul_(2.0)

    with mode():
        torch.testing.assert_close(layer(h, context), 2.0 * before)
        copied = copy.deepcopy(layer)
        assert torch.equal(copied(h, context), layer(h, context))
        copied.u.load_state_dict({name: 0.0 * v for name, v in layer.u.state_dict().items()})
        assert torch.equal(copied(h, context), layer.bias.expand(8, 6))
    single = h.float(), context._replace(e_d=context.e_d.float())
    with mode():
        torch.testing.assert_close(
            layer.float()(*single).double(), 2.0 * before, rtol=1e-4, atol=1e-5
        )
    assert layer(*single).requires_grad


@pytest.mark.parametrize("generate_bias", [False, True])
@pytest.mark.parametrize("rows", [0, 1, 2, 50])
def test_core_per_distinct_domain_equals_core_per_row(rows, generate_bias, monkeypatch):
    layer = bring_to_life(make_layer(generate_bias=generate_bias, generator_hidden=3))
    h = values(rows, 9).requires_grad_()
    context = context_of(np.random.default_rng(0).integers(0, NUM_DOMAINS, rows))
    each_alone = context._replace(domain_id=torch.zeros_like(context.domain_id))

    results = []
    for one, by_row in ((context, 0), (each_alone, 0), (context, 1 << 30)):
        monkeypatch.setattr("models.methods.apg.BY_ROW", by_row)
        out = layer(h, one)
        results.append((out, *torch.autograd.grad(out.sin().sum(), [h, *layer.parameters()])))

    for shared, own, by_row in zip(*results, strict=True):
        torch.testing.assert_close(shared, own)
        torch.testing.assert_close(shared, by_row)


@pytest.mark.parametrize("inner", [None, 64, 400])
def test_factors_start_with_the_standard_deviation_of_the_whole(inner):
    factor = StaticFactor((400, 300), inner=inner, std=0.05)
    factor.initialise(torch.Generator().manual_seed(0))

    assert factor().std().item() == pytest.approx(0.05, rel=0.05)
    assert abs(factor().mean().item()) < 1e-3


@pytest.mark.parametrize(("activation", "v_std"), [("tanh", 0.125), ("relu", 2**0.5 / 8)])
def test_layer_starts_as_specified(activation, v_std):
    layer = make_layer(400, 256, activation=activation, generate_bias=True)
    generator, rank = layer.generator, 64

    assert layer.u().std().item() == pytest.approx(0.05, rel=0.05)
    assert layer.v().std().item() == pytest.approx(v_std, rel=0.05)
    assert layer.bias.count_nonzero() == 0
    assert torch.equal(generator.bias[: rank**2].view(rank, rank), torch.eye(rank).double())
    assert generator.bias[rank**2 :].count_nonzero() == 0
    assert generator.weight.shape == (rank**2 + 256, N_DOMAIN)
    assert generator.weight.std().item() == pytest.approx(0.01, rel=0.05)


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ({}, 160 * 8 + 8 * 128 + 128 + (N_DOMAIN + 1) * 64),  # N K + K M + M + (d_z + 1) K^2
        ({"over_parameterisation": 32}, (160 + 2 * 8 + 128) * 32 + 128 + (N_DOMAIN + 1) * 64),
    ],
)
def test_layer_has_as_many_parameters_as_its_formula_says(options, count):
    layer = make_layer(160, 128, rank_ratio=1 / 16, **options)

    assert sum(parameter.numel() for parameter in layer.parameters()) == count
