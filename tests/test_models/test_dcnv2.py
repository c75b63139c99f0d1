"""The cross network, equation by equation."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from models.backbones.dcnv2 import FullCross, LowRankCross, MixtureCross
from models.interfaces import AffineLinear

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


def test_one_coordinate_is_a_polynomial():
    x_0 = torch.tensor([[2.0], [-0.5]], dtype=torch.float64)

    crossed = run([full(1, [[0.7]])] * 3, x_0)

    torch.testing.assert_close(crossed, x_0 * (1 + 0.7 * x_0) ** 3)


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


@pytest.mark.parametrize("cross", ["lowrank", "moe"])
def test_rank_above_the_width_is_the_width(make_model, cross):
    wide, full = (make_model("dcnv2", cross={"cross": cross, "rank": r}) for r in (41, 40))

    assert [p.shape for p in wide.parameters()] == [p.shape for p in full.parameters()]
