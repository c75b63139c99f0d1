"""The weighting factors of AdaSparse: three forms, and the pruned layer with its backward pass.

The backward pass is written out by hand: the gate is a step, whose derivative autograd cannot know,
and a training step spends much of its time in elementwise passes over these values.

Paper: Yang et al.: AdaSparse: learning adaptively sparse structures for multi-domain click-through
    rate prediction, CIKM 2022, arXiv 2206.13108, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional

if TYPE_CHECKING:

    class SavedGates(Protocol):
        """What one pass leaves for its backward pass."""

        gating: Gating
        steepness: float
        width: int | None  # E_d where e_d is the head of h
        needs_input_grad: tuple[bool, ...]
        saved_tensors: tuple[Tensor, ...]

        def save_for_backward(self, *tensors: Tensor | None) -> None: ...
        def set_materialize_grads(self, value: bool) -> None: ...


Form = Literal["binarization", "scaling", "fusion"]
StraightThrough = Literal["gate", "pass", "none"]


@dataclass(frozen=True, slots=True)
class Gating:
    """From a pruner's values v to squashed s = sigma(alpha v), and pi = gain * share.

    `share` is s where the gate is open and 0 where it is shut, or for Binarization the gate itself.
    A gate g is 1 where v_out > epsilon and else 0: the paper's sign (footnote 1).

    Deviation: g has no useful gradient, so that neither Binarization nor the sparsity penalty could
        ever train a pruner. `straight_through` says what stands in for it: with `gate` dg := ds, in
        pi and in the sparsity; with `pass` d(pi) := d(v_out), and dg := ds in the sparsity; with
        `none` g is a constant.
    """

    beta: float
    threshold: float
    straight_through: StraightThrough

    @property
    def gain(self) -> float:
        """v_out / s, and pi / share."""
        return self.beta

    @property
    def trains_sparsity(self) -> bool:
        """Whether the share of shut gates has a gradient."""
        return self.straight_through != "none"

    def steepness(self, alpha: float) -> float:
        """What v is multiplied with before the sigmoid."""
        return alpha

    def share(self, squashed: Tensor) -> Tensor:
        """Pi / gain (B, N): positive where the gate is open, zero where it is shut."""
        raise NotImplementedError

    def gates(self, share: Tensor) -> Tensor:
        """The gates g (B, N), as 0.0 and 1.0."""
        return share.sign()

    def slope(self, squashed: Tensor, gates: Tensor) -> Tensor | None:
        """What stands for d(share) / ds in the backward pass, None for 1; may reuse `gates`."""
        raise NotImplementedError


class Binarization(Gating):
    """Equation: v_out = sigma(alpha v), pi = step(v_out - epsilon); eq. 4, 5."""

    __slots__ = ()

    @property
    def gain(self) -> float:
        return 1.0

    def share(self, squashed: Tensor) -> Tensor:
        return (squashed > self.threshold).to(squashed.dtype)

    def gates(self, share: Tensor) -> Tensor:
        return share

    def slope(self, squashed: Tensor, gates: Tensor) -> Tensor | None:
        return squashed.new_zeros(()) if self.straight_through == "none" else None


class Scaling(Gating):
    """Equation: pi = v_out = beta sigma(v); eq. 6, 7. Every gate is open and alpha has no part."""

    __slots__ = ()

    @property
    def trains_sparsity(self) -> bool:
        return False

    def steepness(self, alpha: float) -> float:
        return 1.0

    def share(self, squashed: Tensor) -> Tensor:
        return squashed

    def gates(self, share: Tensor) -> Tensor:
        return torch.ones_like(share)

    def slope(self, squashed: Tensor, gates: Tensor) -> Tensor | None:
        return None


class Fusion(Gating):
    """Equation: v_out = beta sigma(alpha v), pi = v_out step(v_out - epsilon); eq. 8."""

    __slots__ = ()

    def share(self, squashed: Tensor) -> Tensor:
        return functional.threshold(squashed, self.threshold / self.beta, 0.0)

    def slope(self, squashed: Tensor, gates: Tensor) -> Tensor | None:
        if self.straight_through == "pass":
            return None
        if self.straight_through == "none":
            return gates
        return gates.add_(squashed)  # d(s g) = g ds + s dg, dg := ds


FORMS: dict[Form, type[Gating]] = {
    "binarization": Binarization,
    "scaling": Scaling,
    "fusion": Fusion,
}


class PrunedLayer(Function):
    """A layer h (B, N) with its pruner: h * pi (eq. 2), pi / gain, and r (B,): shut gates of a row.

    Equation: v = W_layer h + W_domain e_d + c, then `Gating`. Either matrix may be None. Where e_d
    is the head of h, which is x_0, `e_d` is None and v = (W_layer + [W_domain, 0]) h: one product.
    """

    @staticmethod
    def forward(  # noqa: PLR0913  (autograd has no keywords)
        ctx: SavedGates,
        h: Tensor,
        e_d: Tensor | None,
        weight_layer: Tensor | None,
        weight_domain: Tensor | None,
        bias: Tensor,
        alpha: float,
        gating: Gating,
    ) -> tuple[Tensor, Tensor, Tensor]:
        ctx.gating, ctx.steepness, ctx.width = gating, gating.steepness(alpha), None
        if e_d is None and weight_layer is not None and weight_domain is not None:
            ctx.width = weight_domain.shape[1]
            weight_layer = weight_layer.clone()
            weight_layer[:, : ctx.width] += weight_domain
            weight_domain = None
        v = _values(h, e_d, weight_layer, weight_domain, bias, ctx.steepness)
        squashed = v.sigmoid_()
        share = gating.share(squashed)
        gates = gating.gates(share)
        sparsity = 1.0 - gates.mean(dim=1)  # (B,)
        if any(ctx.needs_input_grad):
            slope = gating.slope(squashed, gates)
            ctx.save_for_backward(h, e_d, weight_layer, weight_domain, squashed, share, slope)
        ctx.set_materialize_grads(False)
        pruned = torch.addcmul(h.new_zeros(()), h, share, value=gating.gain)  # h * pi in one pass
        return pruned, share, sparsity

    @staticmethod
    @once_differentiable
    def backward(
        ctx: SavedGates,
        grad_pruned: Tensor | None,
        grad_share: Tensor | None,
        grad_sparsity: Tensor | None,
    ) -> tuple[Tensor | None, ...]:
        h, e_d, weight_layer, weight_domain, squashed, share, slope = ctx.saved_tensors
        gain, zero = ctx.gating.gain, h.new_zeros(())
        grad_pruned = torch.zeros_like(h) if grad_pruned is None else grad_pruned
        through_r = zero
        if ctx.gating.trains_sparsity and grad_sparsity is not None:  # dr = -mean(dg), dg := ds
            through_r = grad_sparsity.unsqueeze(1) * (-ctx.steepness / h.shape[1])  # (B, 1)
        left, right = grad_pruned, h
        if grad_share is not None:
            left, right = torch.addcmul(grad_share / gain, left, right), zero + 1.0
        if slope is not None:
            left, right = left * right, slope
        grad_v = torch.addcmul(through_r, left, right, value=gain * ctx.steepness)
        torch.ops.aten.sigmoid_backward.grad_input(grad_v, squashed, grad_input=grad_v)
        grad_h = torch.addcmul(zero, grad_pruned, share, value=gain)
        grad_layer = grad_e_d = grad_domain = None
        if weight_layer is not None:
            grad_h.addmm_(grad_v, weight_layer)
            grad_layer = grad_v.T @ h
        if weight_domain is not None:
            grad_e_d, grad_domain = grad_v @ weight_domain, grad_v.T @ e_d
        elif grad_layer is not None and ctx.width:
            grad_domain = grad_layer[:, : ctx.width].contiguous()
        return grad_h, grad_e_d, grad_layer, grad_domain, grad_v.sum(dim=0), None, None


def _values(
    h: Tensor,
    e_d: Tensor | None,
    weight_layer: Tensor | None,
    weight_domain: Tensor | None,
    bias: Tensor,
    scale: float,
) -> Tensor:
    """The pruner's values v (B, N) times `scale`, the factor inside the products."""
    v = None
    for values, weight in ((h, weight_layer), (e_d, weight_domain)):
        if values is not None and weight is not None:
            if v is None:
                v = torch.addmm(bias, values, weight.T, beta=scale, alpha=scale)
            else:
                v.addmm_(values, weight.T, alpha=scale)
    assert v is not None
    return v
