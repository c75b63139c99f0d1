"""Adam: its constants, its fused step, and what a row does in the steps that do not read it."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from torch import Tensor

BETAS = (0.9, 0.999)
EPSILON = 1e-8
DECAY = BETAS[0] / math.sqrt(BETAS[1])  # q, of m / sqrt(v) in a step without a gradient


class Progress(NamedTuple):
    """Values that a step of Adam reads on the device."""

    steps: Tensor  # (), this one included
    is_broken: Tensor | None  # (), 1.0 where no step may move anything


def fused_adam(
    parameters: list[Tensor],
    gradients: list[Tensor],
    moments: tuple[list[Tensor], list[Tensor]],
    progress: Progress,
    learning_rate: float,
    weight_decay: float = 0.0,
) -> None:
    """One step of the kernel behind `torch.optim.Adam(fused=True)`, in place.

    Where `progress.is_broken` is 1.0 it moves nothing.
    """
    torch._fused_adam_(
        parameters,
        gradients,
        *moments,
        [],
        [progress.steps] * len(parameters),
        lr=learning_rate,
        beta1=BETAS[0],
        beta2=BETAS[1],
        weight_decay=weight_decay,
        eps=EPSILON,
        amsgrad=False,
        maximize=False,
        found_inf=progress.is_broken,
    )


def adam_values(
    weight: Tensor,
    gradient: Tensor,
    moments: tuple[Tensor, Tensor],
    steps: Tensor,
    learning_rate: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """The same step as new values of a weight and its two moments, for a compiler to fuse.

    Equation: m' = b_1 m + (1 - b_1) g, v' = b_2 v + (1 - b_2) g^2, w' = w - rate / (1 - b_1^t) m' /
        (sqrt(v' / (1 - b_2^t)) + eps).
    """
    first, second = moments
    done = steps.double()
    corrections = [1.0 - torch.pow(beta, done) for beta in BETAS]
    rate, root = (learning_rate / corrections[0]).to(weight), corrections[1].sqrt().to(weight)
    first = first + (1.0 - BETAS[0]) * (gradient - first)
    second = BETAS[1] * second + (1.0 - BETAS[1]) * gradient * gradient
    return weight - rate * first / (second.sqrt() / root + EPSILON), first, second


class Missed(NamedTuple):
    """Constants of a row that was last moved at step s and has no gradient from then on.

    In one step i without a gradient it moves by -learning_rate c_i q^(i - s) m / (sqrt(v) + eps'),
    with the moments m and v of step s.

    Equation: c_i = sqrt(1 - beta_2^i) / (1 - beta_1^i), q = beta_1 / sqrt(beta_2),
        F_s = sum over i > s of c_i q^(i - s) = q (c_{s+1} + F_{s+1}). From step s to step t the row
        moves by -learning_rate (F_s - q^(t - s) F_t) m / (sqrt(v) + eps'), and then m and v are
        beta_1^(t - s) and beta_2^(t - s) times as large.
    Deviation: in Adam, which adds eps to the square root of the bias-corrected moment, eps' is
        e_i = eps sqrt(1 - beta_2^i) / beta_2^((i - s) / 2). Here it is that of step s + 1 for all
        that follow, so that step i differs by a share of |e_i - e_{s+1}| / sqrt(v) at most.
    """

    drift: float  # F_s
    epsilon: float  # e_{s+1}


@cache
def missed() -> tuple[Missed, ...]:
    """The constants for s = 0, 1, ...; the last hold for all later steps too.

    There the bias corrections are 1.
    """
    last = math.ceil(math.log(2.0**-54) / math.log(BETAS[1]))
    table = [Missed(DECAY / (1.0 - DECAY), EPSILON / math.sqrt(BETAS[1]))]
    for step in range(last, 0, -1):
        root = math.sqrt(1.0 - BETAS[1] ** step)
        drift = DECAY * (root / (1.0 - BETAS[0] ** step) + table[-1].drift)
        table.append(Missed(drift, EPSILON * root / math.sqrt(BETAS[1])))
    return tuple(reversed(table))


def drift(start: int, end: int) -> float:
    """F_s - q^(t - s) F_t for the steps s and t from `start` to `end`."""
    table = missed()
    last = len(table) - 1
    return table[min(start, last)].drift - DECAY ** (end - start) * table[min(end, last)].drift


def epsilon(start: int) -> float:
    """The epsilon of steps after `start`."""
    table = missed()
    return table[min(start, len(table) - 1)].epsilon
