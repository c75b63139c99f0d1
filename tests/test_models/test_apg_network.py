"""APG in a model: what is generated and what is refused, and the network against numpy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.func import functional_call
from torch.nn import functional

from models.interfaces import AffineLinear
from models.methods.adasparse import AdaSparse, AdaSparseConfig
from models.methods.apg import Apg, ApgConfig, ApgLinear, StaticFactor

EVERYTHING = {"over_parameterisation": 14, "generator_hidden": 5, "generate_bias": True}
OPTIONS = [
    {"condition": "both", **EVERYTHING},
    {"condition": "h", "rank_ratio": 1.0},
    {"condition": "e_d", **EVERYTHING},
    {"apg_cross": True, **EVERYTHING},
]


def bring_to_life(module, std):
    """Every parameter far from its start."""
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * std)
    return module


def test_gradient_reaches_e_d_through_the_condition(make_model, make_batch):
    model, batch = make_model("dnn", "apg", options={"condition": "e_d"}), make_batch(40)
    context = model.embed(batch)

    model.score(context._replace(x_0=context.x_0.detach())).sum().backward()

    of_fields = model.embedding.weight.grad[1:].split([4, 3, 50, 40, 12])
    for field, of_field in zip(batch.codes[:, :2].T, of_fields, strict=False):
        assert (of_field.abs().sum(dim=1) > 0).nonzero().squeeze(1).tolist() == sorted(
            set(field.tolist())
        )
    assert all(of_field.count_nonzero() == 0 for of_field in of_fields[2:])


def test_each_distinct_domain_is_generated_once_and_looked_for_once_a_pass(make_model, make_batch):
    options = {"condition": "e_d"}
    model, batch = make_model("dnn", "apg", options=options).eval(), make_batch(200)
    generated = []
    for layer in model.backbone.tower.layers:
        layer.generator.register_forward_hook(lambda _, z, out: generated.append(len(z[0])))

    context = model.embed(batch)
    model.score(context)
    found = model.method.conditions(context.domain_id)
    assert found is model.method.conditions(context.domain_id)
    model.score(context._replace(domain_id=torch.zeros_like(context.domain_id)))

    assert generated == [12, 12, 12, 200, 200, 200]


@pytest.mark.parametrize(("cross", "apg_cross"), [("full", True), ("full", False), ("moe", True)])
def test_only_hidden_and_if_asked_full_rank_cross_layers_are_generated(
    make_model, cross, apg_cross
):
    model = make_model("dcnv2", "apg", options={"apg_cross": apg_cross}, cross={"cross": cross})

    generated = [name for name, part in model.named_modules() if isinstance(part, ApgLinear)]

    crossed = [f"backbone.cross.{i}.linear" for i in range(3) if cross == "full" and apg_cross]
    assert generated == crossed + [f"backbone.tower.layers.{i}" for i in range(3)]
    assert type(model.backbone.logit) is AffineLinear


def test_generated_cross_layer_follows_its_equation(make_model, make_batch):
    model = make_model("dcnv2", "apg", options={"apg_cross": True}).double()
    layer, context = bring_to_life(model.backbone.cross[0], 0.5), model.embed(make_batch(30))
    x_0 = context.x_0
    x = x_0.flip(1)

    core = layer.linear.generator(torch.cat([context.e_d, x], dim=1))[0]
    mapped = torch.einsum("bd,dk,bkj,jm->bm", x, layer.linear.u(), core, layer.linear.v())
    expected = x_0 * (mapped + layer.linear.bias) + x
    torch.testing.assert_close(layer(x, x_0, context), expected)


@pytest.mark.parametrize("is_blind", [False, True])
def test_condition_is_by_default_what_the_pruner_of_adasparse_reads(make_model, is_blind):
    apg, adasparse = make_model("dnn", "apg"), make_model("dnn", "adasparse")
    assert apg.method.config.condition == adasparse.method.config.pruner_input == "both"
    n_domain = 0 if is_blind else 16
    shape = replace(apg.method.shape, n_domain=n_domain)

    layer = Apg(ApgConfig(), shape).linear(12, 10, "hidden", 0)
    pruner = AdaSparse(AdaSparseConfig(), shape).transform(12, "hidden", 0)

    assert layer.generator.weight.shape[1] == 12 + n_domain  # of a blind control h alone
    blocks = (pruner.weight_domain, pruner.weight_layer)
    assert sum(block.shape[1] for block in blocks) == 12 + n_domain


@pytest.mark.parametrize("options", OPTIONS)
def test_every_option_keeps_rows_apart_and_reaches_every_parameter(
    make_model, make_batch, take_rows, options
):
    model, batch = make_model("dcnv2", "apg", options=options), make_batch(64)
    functional.binary_cross_entropy_with_logits(model(batch), batch.label).backward()
    model.eval()

    with torch.no_grad():
        together = model(batch)
        alone = torch.cat([model(take_rows(batch, torch.tensor([i]))) for i in range(64)])

    assert [name for name, value in model.named_parameters() if not value.grad.any()] == []
    torch.testing.assert_close(alone, together, atol=1e-6, rtol=1e-6)
    assert model(take_rows(batch, torch.arange(0))).shape == (0,)


def test_batch_can_be_trained_on_after_inference(make_model, make_batch):
    model, batch = make_model("dnn", "apg"), make_batch(20)
    with torch.inference_mode():
        expected = model(batch)

    logit = model(batch)
    logit.sum().backward()

    assert torch.equal(logit, expected)


@pytest.mark.parametrize(
    ("ratio", "size", "rank"),
    [
        (0.25, (352, 128), 32),
        (0.0625, (64, 32), 2),
        (0.0625, (8, 16), 2),
        (1.0, (3, 5), 3),
        (0.5, (9, 1), 1),
        (0.29, (100, 200), 29),
    ],
)
def test_rank_is_a_share_of_the_smaller_side(ratio, size, rank):
    assert ApgConfig(rank_ratio=ratio).rank(*size) == rank
    assert ApgConfig(rank_ratio=ratio, over_parameterisation=rank).rank(*size) == rank


def test_factors_narrower_than_the_core_are_refused(make_model):
    expected = r"P = 8 where the layer 40 -> 40 has K = 10 \(rank_ratio 0.25\)"
    make_model("dcnv2", "apg", options={"over_parameterisation": 8})

    with pytest.raises(ValueError, match=expected):
        make_model("dcnv2", "apg", options={"over_parameterisation": 8, "apg_cross": True})


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("options", [{}, *OPTIONS])
def test_network_agrees_with_numpy(make_model, make_batch, options, activation):
    model = make_model("dnn", "apg", options=options, activation=activation).double().eval()
    bring_to_life(model, 0.2)
    model.base_logit.fill_(-1.5)
    batch = make_batch(50)
    batch = replace(batch, domain_id=torch.where(batch.domain_id > 9, 0, batch.domain_id))

    expected = [
        numpy_logit(model, batch, row, ApgConfig(**options), activation) for row in range(50)
    ]

    np.testing.assert_allclose(model(batch).detach().numpy(), expected, rtol=0, atol=1e-8)


def numpy_logit(model, batch, row, config, activation):
    """One row's logit, from its codes on, by the equations alone."""
    state = {name: value.numpy() for name, value in model.state_dict().items()}
    act = np.tanh if activation == "tanh" else lambda x: np.maximum(x, 0.0)
    table, starts = state["embedding.weight"], 1 + np.cumsum((0, 4, 3, 50, 40))
    parts = [table[starts[field] + code] for field, code in enumerate(batch.codes[row].tolist())]
    slots = [starts[-1] + slot for slot in batch.bags[0][row].tolist() if slot >= 0]
    parts.append(table[slots].mean(axis=0) if slots else np.zeros(8))
    h, e_d = np.concatenate(parts), np.concatenate(parts[:2])
    for index, width in enumerate((12, 10, 6)):
        rank = max(2, round(config.rank_ratio * min(len(h), width)))
        z = {"e_d": e_d, "h": h, "both": np.concatenate([e_d, h])}[config.condition]
        prefix = f"backbone.tower.layers.{index}."
        layer = {name[len(prefix) :]: v for name, v in state.items() if name.startswith(prefix)}
        h = act(numpy_layer(h, z, layer, rank, act))
    weight, bias = state["backbone.logit.affine.weight"], state["backbone.logit.affine.bias"]
    return (weight @ h + bias).item() + state["base_logit"].item()


def numpy_layer(h, z, layer, rank, act):
    """The row h times W(z), plus the biases, with the matrix W = U S V built in full."""
    if "generator.hidden.affine.weight" in layer:
        z = act(layer["generator.hidden.affine.weight"] @ z + layer["generator.hidden.affine.bias"])
    generated = layer["generator.weight"] @ z + layer["generator.bias"]
    u, v = (
        layer[f"{name}.left"] @ layer.get(f"{name}.right", np.eye(layer[f"{name}.left"].shape[1]))
        for name in ("u", "v")
    )
    weight = u @ generated[: rank**2].reshape(rank, rank) @ v
    generated_bias = generated[rank**2 :]
    return h @ weight + layer["bias"] + (generated_bias if generated_bias.size else 0.0)


@torch.no_grad()
def test_factors_that_stand_in_are_multiplied_anew():
    factor = StaticFactor((9, 4), inner=7, std=0.1).eval()
    factor.initialise(torch.Generator().manual_seed(0))
    whole = factor()

    for scale in range(2, 6):
        stand_in = functional_call(factor, {"left": scale * factor.left}, ())
        torch.testing.assert_close(stand_in, scale * whole)
    lefts = torch.stack([factor.left, 2.0 * factor.left])
    each = torch.vmap(lambda left: functional_call(factor, {"left": left}, ()))(lefts)
    torch.testing.assert_close(each, torch.stack([whole, 2.0 * whole]))
