"""Experts: stacks of layers side by side, which read the same values, and their mixture."""

from __future__ import annotations

from itertools import pairwise
from math import ceil, pi, sqrt
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.interfaces import draw_weight

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.interfaces import Activation, ModelShape

ALIKE = {"tanh": 0.0, "relu": 1.0 / pi}  # E[f g] / E[f^2] of two units with draws of their own
MULTIPLE = 8  # of the widths of experts


def check_depth(shape: ModelShape, num_layers: int) -> None:
    """Make sure that there are hidden layers for experts, and one above them.

    Raises:
        ValueError: there are fewer than `num_layers`.
    """
    if len(shape.hidden_dims) < num_layers:
        raise ValueError(
            f"hidden_dims must have at least {num_layers} layers, those of experts and one of each"
            f" task's own, got {shape.hidden_dims}"
        )


def expert_widths(shape: ModelShape, num_experts: int) -> tuple[int, ...]:
    """The hidden layers but the last, divided among the experts and rounded up to multiples of 8.

    All experts together then have about as many units as the plain network.
    """
    return tuple(
        min(n, MULTIPLE * ceil(n / num_experts / MULTIPLE)) for n in shape.hidden_dims[:-1]
    )


def mix(gates: Tensor, experts: Tensor) -> Tensor:
    """The sum (B, N) of experts (E, B, N) by the weights (B, E) of each row."""
    return (gates.T.unsqueeze(2) * experts).sum(dim=0)


def start_gain(
    n_in: int, n_out: int, activation: Activation, *, whole: tuple[int, int], num_mixed: int = 1
) -> float:
    """The factor on the start of a narrow layer at which it has the scale of a `whole` one.

    `whole` are the input and output of the layer that it is a part of. Its own input is the mean
    of `num_mixed` experts, which is the smaller the more there are.
    """
    mean = 1.0 / num_mixed + (1.0 - 1.0 / num_mixed) * ALIKE[activation]
    if activation == "relu":  # He's start keeps the scale at any width
        return sqrt(1.0 / mean)
    return sqrt(whole[0] / sum(whole) * (n_in + n_out) / n_in / mean)


class HiddenOutput(nn.Module):
    """The activation and the dropout that end a hidden layer, as those of the deep tower."""

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.activation = torch.tanh if shape.activation == "tanh" else torch.relu
        self.dropout = shape.dropout

    def forward(self, h: Tensor) -> Tensor:
        h = self.activation(h)
        return functional.dropout(h, self.dropout, self.training) if self.dropout else h


class ExpertLayer(nn.Module):
    """An affine map of each expert's own, all in one product.

    Equation: h_i W_i + b_i for the expert i.
    Shapes: h (B, in) that all experts read, or h_i (E, B, in); W (E, out, in), b (E, out); the
        result is (E, B, out).
    """

    def __init__(
        self, n_in: int, n_out: int, num_experts: int, activation: Activation, *, gain: float
    ) -> None:
        super().__init__()
        self.activation, self.gain = activation, gain
        self.weight = nn.Parameter(torch.zeros(num_experts, n_out, n_in))
        self.bias = nn.Parameter(torch.zeros(num_experts, n_out))

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """A draw of weights for each expert, without which they would never differ; zero bias."""
        for weight in self.weight:
            draw_weight(weight, self.activation, generator)
        self.weight.mul_(self.gain)
        self.bias.zero_()

    def forward(self, h: Tensor) -> Tensor:
        if h.ndim == 2:
            wide = functional.linear(h, self.weight.flatten(0, 1), self.bias.flatten())  # (B, E N)
            return wide.unflatten(1, self.bias.shape).transpose(0, 1)  # (E, B, N)
        return torch.baddbmm(self.bias.unsqueeze(1), h, self.weight.transpose(1, 2))


class ExpertStack(nn.Module):
    """Experts that read the same values, each a stack of hidden layers.

    A layer is an affine map, the activation and dropout, as of the deep tower.
    Equation: h_i^{l+1} = act(h_i^l W_i^l + b_i^l) for the expert i, h_i^1 = x.
    Shapes: x (B, in); the result is (E, B, N_last).
    Deviation: the weights of an expert narrower than the protocol's layers start at the scale at
        which its units have that of the plain network's.
    """

    def __init__(
        self, n_in: int, widths: Sequence[int], num_experts: int, shape: ModelShape
    ) -> None:
        """Make experts whose hidden layers have these widths, parts of the first of `shape`."""
        super().__init__()
        of_whole = pairwise((n_in, *shape.hidden_dims))
        self.layers = nn.ModuleList(
            ExpertLayer(
                *sizes,
                num_experts,
                shape.activation,
                gain=start_gain(*sizes, shape.activation, whole=whole),
            )
            for sizes, whole in zip(pairwise((n_in, *widths)), of_whole, strict=False)
        )
        self.output = HiddenOutput(shape)

    def forward(self, h: Tensor) -> Tensor:
        for layer in self.layers:
            h = self.output(layer(h))  # (E, B, N_l)
        return h
