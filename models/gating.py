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

    class Saved(Protocol):
        """What one pass leaves for its backward pass."""

        gating: Gating
        alpha: float
        saved_tensors: tuple[Tensor, ...]

        def save_for_backward(self, *tensors: Tensor | None) -> None: ...
        def mark_non_differentiable(self, *tensors: Tensor) -> None: ...


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

    def backward(self, grad_share: Tensor, squashed: Tensor, gates: Tensor) -> Tensor:
        """The gradient with respect to s through pi, in place of that with respect to `share`."""
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

    def backward(self, grad_share: Tensor, squashed: Tensor, gates: Tensor) -> Tensor:
        return grad_share.zero_() if self.straight_through == "none" else grad_share


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

    def backward(self, grad_share: Tensor, squashed: Tensor, gates: Tensor) -> Tensor:
        return grad_share


class Fusion(Gating):
    """Equation: v_out = beta sigma(alpha v), pi = v_out step(v_out - epsilon); eq. 8."""

    __slots__ = ()

    def share(self, squashed: Tensor) -> Tensor:
        return functional.threshold(squashed, self.threshold / self.beta, 0.0)

    def backward(self, grad_share: Tensor, squashed: Tensor, gates: Tensor) -> Tensor:
        if self.straight_through == "pass":
            return grad_share
        if self.straight_through == "none":
            return grad_share.mul_(gates)
        return grad_share.mul_(gates + squashed)  # d(s g) = g ds + s dg, dg := ds


FORMS: dict[Form, type[Gating]] = {
    "binarization": Binarization,
    "scaling": Scaling,
    "fusion": Fusion,
}


class PrunedLayer(Function):
    """A layer h (B, N) with its pruner: h * pi (eq. 2), pi / gain, and the share r of shut gates.

    Equation: v = W_layer h + W_domain e_d + c, then `Gating`. Either matrix may be None.
    """

    @staticmethod
    def forward(  # noqa: PLR0913  (autograd has no keywords)
        ctx: Saved,
        h: Tensor,
        e_d: Tensor,
        weight_layer: Tensor | None,
        weight_domain: Tensor | None,
        bias: Tensor,
        alpha: float,
        gating: Gating,
    ) -> tuple[Tensor, Tensor, Tensor]:
        steepness = gating.steepness(alpha)
        squashed = _values(h, e_d, weight_layer, weight_domain, bias, steepness).sigmoid_()
        share = gating.share(squashed)
        gates = gating.gates(share)
        ctx.save_for_backward(h, e_d, weight_layer, weight_domain, squashed, share, gates)
        ctx.mark_non_differentiable(share)
        ctx.gating, ctx.alpha = gating, alpha
        pruned = torch.addcmul(h.new_zeros(()), h, share, value=gating.gain)  # h * pi in one pass
        return pruned, share, 1.0 - gates.sum() / max(gates.numel(), 1)

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Saved, grad_pruned: Tensor, grad_share: Tensor, grad_sparsity: Tensor
    ) -> tuple[Tensor | None, ...]:
        h, e_d, weight_layer, weight_domain, squashed, share, gates = ctx.saved_tensors
        gating = ctx.gating
        grad_s = gating.backward(grad_pruned * h, squashed, gates)  # without the gain
        if gating.trains_sparsity:  # dr = -mean(dg), dg := ds
            grad_s.sub_(grad_sparsity / (gating.gain * h.numel()))
        grad_v = torch.ops.aten.sigmoid_backward(grad_s, squashed)  # without slope
        slope = gating.gain * gating.steepness(ctx.alpha)
        grad_h = torch.addcmul(h.new_zeros(()), grad_pruned, share, value=gating.gain)
        if weight_layer is not None:
            grad_h.addmm_(grad_v, weight_layer, alpha=slope)
        return (
            grad_h,
            _scaled_product(grad_v, weight_domain, slope),
            None if weight_layer is None else _scaled_product(grad_v.T, h, slope),
            None if weight_domain is None else _scaled_product(grad_v.T, e_d, slope),
            grad_v.sum(dim=0).mul_(slope),
            None,
            None,
        )


def _values(
    h: Tensor,
    e_d: Tensor,
    weight_layer: Tensor | None,
    weight_domain: Tensor | None,
    bias: Tensor,
    scale: float,
) -> Tensor:
    """The pruner's values v (B, N) times `scale`, the factor inside the products."""
    if weight_layer is None:
        assert weight_domain is not None
        return torch.addmm(bias, e_d, weight_domain.T, beta=scale, alpha=scale)
    v = torch.addmm(bias, h, weight_layer.T, beta=scale, alpha=scale)
    return v if weight_domain is None else v.addmm_(e_d, weight_domain.T, alpha=scale)


def _scaled_product(left: Tensor, right: Tensor | None, scale: float) -> Tensor | None:
    """`scale * left @ right` with the factor inside the product; None for None."""
    if right is None:
        return None
    nothing = left.new_empty(())  # is not read
    return torch.addmm(nothing, left, right, beta=0, alpha=scale)
