"""The cross network, equation by equation."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from models.backbones.dcnv2 import DCNv2Config
from models.interfaces import AffineLinear
from models.layers.cross import FullCross, LowRankCross, MixtureCross

CONTEXT = SimpleNamespace()


def full(n, weight, bias=0.0):
    """A full-rank layer with W in the row convention x W."""
    layer = FullCross(AffineLinear(n, n, None)).double()
    with torch.no_grad():
        layer.linear.affine.weight.copy_(torch.as_tensor(weight).T)
        layer.linear.affine.bias.fill_(bias)
    return layer


def run(layers, x_0):
    x = x_0
    for layer in layers:
        x = layer(x, x_0, CONTEXT)
    return x


@pytest.fixture
def x_0():
    return torch.randn(7, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def weight():
    return torch.randn(6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def initialised(layer, seed=2):
    layer = layer.double()
    layer.initialise(torch.Generator().manual_seed(seed))
    return layer


def test_zero_map_is_the_identity(x_0):
    assert torch.equal(run([full(6, torch.zeros(6, 6))] * 3, x_0), x_0)


def test_unit_bias_adds_x_0_per_layer(x_0):
    assert torch.equal(run([full(6, torch.zeros(6, 6), 1.0)] * 3, x_0), 4 * x_0)


def test_one_coordinate_is_a_polynomial():
    x_0 = torch.tensor([[2.0], [-0.5]], dtype=torch.float64)

    crossed = run([full(1, [[0.7]])] * 3, x_0)

    torch.testing.assert_close(crossed, x_0 * (1 + 0.7 * x_0) ** 3)


def test_identity_map_squares(x_0):
    torch.testing.assert_close(run([full(6, torch.eye(6))], x_0), x_0 * x_0 + x_0)


def test_bias_is_inside_the_product(x_0, weight):
    crossed = run([full(6, weight, 0.5)], x_0)

    torch.testing.assert_close(crossed, x_0 * (x_0 @ weight + 0.5) + x_0)


def test_low_rank_with_full_rank_equals_full(x_0, weight):
    layer = LowRankCross(6, 6).double()
    with torch.no_grad():
        layer.v.copy_(weight)
        layer.u.copy_(torch.eye(6))

    torch.testing.assert_close(run([layer], x_0), run([full(6, weight)], x_0))


def test_one_linear_expert_equals_low_rank(x_0):
    low_rank = initialised(LowRankCross(6, 3))
    mixture = MixtureCross(6, 3, 1).double()
    mixture.inner = lambda values: values
    with torch.no_grad():
        low_rank.bias.fill_(0.3)
        mixture.bias.fill_(0.3)
        mixture.v[0], mixture.u[0] = low_rank.v, low_rank.u
        mixture.c[0] = torch.eye(3)

    torch.testing.assert_close(run([mixture], x_0), run([low_rank], x_0))


def test_mixture_is_the_sum_over_experts(x_0):
    layer = initialised(MixtureCross(6, 3, 4))
    with torch.no_grad():
        layer.bias.uniform_(-1, 1)
    gates = torch.softmax(x_0 @ layer.gate.T, dim=1)
    expected = x_0.clone()
    for i in range(4):
        inside = torch.tanh(torch.tanh(x_0 @ layer.v[i]) @ layer.c[i])
        expected = expected + gates[:, i : i + 1] * x_0 * (inside @ layer.u[i].T + layer.bias)

    torch.testing.assert_close(run([layer], x_0), expected)


@pytest.mark.parametrize("cross", ["full", "lowrank", "moe"])
def test_zero_coordinate_stays_zero(x_0, weight, cross):
    layers = {
        "full": lambda: full(6, weight, 0.3),
        "lowrank": lambda: initialised(LowRankCross(6, 3)),
        "moe": lambda: initialised(MixtureCross(6, 3, 2)),
    }
    x_0[:, 2] = 0.0

    assert run([layers[cross]()] * 4, x_0)[:, 2].count_nonzero() == 0


@pytest.mark.parametrize("structure", ["parallel", "stacked"])
def test_structures_wire_the_logit(make_model, make_batch, structure):
    model, batch = make_model("dcnv2", cross={"structure": structure}), make_batch(5)
    context, net = model.embed(batch), model.backbone
    crossed = run(net.cross, context.x_0)
    is_parallel = structure == "parallel"
    h = net.tower(context.x_0 if is_parallel else crossed, context)

    expected = net.logit(torch.cat([crossed, h], dim=1) if is_parallel else h, context)

    torch.testing.assert_close(model(batch), expected.squeeze(1))


@pytest.mark.parametrize("method", ["plain", "adasparse"])
@pytest.mark.parametrize("structure", ["parallel", "stacked"])
@pytest.mark.parametrize("cross", ["full", "lowrank", "moe"])
def test_every_form_trains_with_every_method(make_model, make_batch, method, structure, cross):
    form = {"rank": 4, "num_experts": 2, "structure": structure, "cross": cross}
    model, batch = make_model("dcnv2", method, cross=form), make_batch(16)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)

    losses = [model.method.update(model, batch, optimizer) for _ in range(30)]

    assert losses[-1] < losses[0]
    assert model(make_batch(1)).shape == (1,)


@pytest.mark.parametrize("cross", ["full", "lowrank", "moe"])
def test_number_of_cross_parameters(make_model, cross):
    model = make_model("dcnv2", cross={"cross": cross, "rank": 5, "num_experts": 2})
    d, r, e = 40, 5, 2
    per_layer = {
        "full": d * d + d,
        "lowrank": 2 * d * r + d,
        "moe": e * (2 * d * r + r * r + d) + d,
    }

    assert sum(p.numel() for p in model.backbone.cross.parameters()) == 3 * per_layer[cross]


@pytest.mark.parametrize(
    "values",
    [
        {"num_cross_layers": 0},
        {"rank": 0},
        {"num_experts": 0},
        {"structure": "both"},
        {"cross": "no_such"},
    ],
)
def test_config_out_of_range_is_refused(values):
    with pytest.raises(ValueError, match=next(iter(values))):
        DCNv2Config(**values)


@pytest.mark.parametrize("cross", ["lowrank", "moe"])
def test_rank_above_the_width_is_the_width(make_model, cross):
    wide, full = (make_model("dcnv2", cross={"cross": cross, "rank": r}) for r in (41, 40))

    assert [p.shape for p in wide.parameters()] == [p.shape for p in full.parameters()]
