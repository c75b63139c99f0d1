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
        saved_tensors: tuple[Tensor, ...]

        def save_for_backward(self, *tensors: Tensor) -> None: ...
        def mark_non_differentiable(self, *tensors: Tensor) -> None: ...


Form = Literal["binarization", "scaling", "fusion"]
StraightThrough = Literal["gate", "pass", "none"]


@dataclass(frozen=True, slots=True)
class Gating:
    """From a pruner's values v to squashed s = sigma(alpha v), v_out = gain s, and the factor pi.

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
        """v_out / s."""
        return self.beta

    @property
    def trains_sparsity(self) -> bool:
        """Whether the share of shut gates has a gradient."""
        return self.straight_through != "none"

    def squash(self, v: Tensor, alpha: Tensor) -> Tensor:
        """The value s of v (B, N)."""
        return (v * alpha).sigmoid_()

    def slope(self, alpha: Tensor) -> Tensor | float:
        """The derivative of v_out by v at s (1 - s) = 1."""
        return alpha * self.gain

    def factor(self, squashed: Tensor) -> Tensor:
        """Pi (B, N): positive where the gate is open, zero where it is shut."""
        raise NotImplementedError

    def backward(self, grad_factor: Tensor, squashed: Tensor, factor: Tensor) -> Tensor:
        """The gradient with respect to v_out, given that of pi."""
        raise NotImplementedError

    def gate(self, factor: Tensor) -> Tensor:
        """The gates g (B, N), as booleans."""
        return factor > 0

    def sparsity(self, factor: Tensor) -> Tensor:
        """The share r () of shut gates over rows and neurons."""
        kept = torch.sign(factor).sum()  # far faster than to count where gates are mixed
        return 1.0 - kept / max(factor.numel(), 1)


class Binarization(Gating):
    """Equation: v_out = sigma(alpha v), pi = step(v_out - epsilon); eq. 4, 5."""

    __slots__ = ()

    @property
    def gain(self) -> float:
        return 1.0

    def factor(self, squashed: Tensor) -> Tensor:
        return (squashed > self.threshold).to(squashed.dtype)

    def backward(self, grad_factor: Tensor, squashed: Tensor, factor: Tensor) -> Tensor:
        return torch.zeros_like(grad_factor) if self.straight_through == "none" else grad_factor


class Scaling(Gating):
    """Equation: pi = v_out = beta sigma(v); eq. 6, 7. Every gate is open and alpha has no part."""

    __slots__ = ()

    @property
    def trains_sparsity(self) -> bool:
        return False

    def squash(self, v: Tensor, alpha: Tensor) -> Tensor:
        return v.sigmoid()

    def slope(self, alpha: Tensor) -> Tensor | float:
        return self.gain

    def factor(self, squashed: Tensor) -> Tensor:
        return squashed * self.beta

    def backward(self, grad_factor: Tensor, squashed: Tensor, factor: Tensor) -> Tensor:
        return grad_factor

    def gate(self, factor: Tensor) -> Tensor:
        return torch.ones_like(factor, dtype=torch.bool)

    def sparsity(self, factor: Tensor) -> Tensor:
        return factor.new_zeros(())


class Fusion(Gating):
    """Equation: v_out = beta sigma(alpha v), pi = v_out step(v_out - epsilon); eq. 8."""

    __slots__ = ()

    def factor(self, squashed: Tensor) -> Tensor:
        return functional.threshold(squashed * self.beta, self.threshold, 0.0, inplace=True)

    def backward(self, grad_factor: Tensor, squashed: Tensor, factor: Tensor) -> Tensor:
        if self.straight_through == "pass":
            return grad_factor
        kept = torch.ops.aten.threshold_backward(grad_factor, factor, 0.0)  # g d(pi)
        if self.straight_through == "none":
            return kept
        return kept.addcmul_(grad_factor, squashed)  # v_out d(pi) ds / d(v_out) = s d(pi)


FORMS: dict[Form, type[Gating]] = {
    "binarization": Binarization,
    "scaling": Scaling,
    "fusion": Fusion,
}


class PrunedLayer(Function):
    """From a layer h and its pruner's values v, both (B, N): h * pi (eq. 2), pi, and sparsity r."""

    @staticmethod
    def forward(
        ctx: Saved, h: Tensor, v: Tensor, alpha: Tensor, gating: Gating
    ) -> tuple[Tensor, Tensor, Tensor]:
        squashed = gating.squash(v, alpha)
        factor = gating.factor(squashed)
        ctx.save_for_backward(h, squashed, factor, alpha)
        ctx.mark_non_differentiable(factor)
        ctx.gating = gating
        return h * factor, factor, gating.sparsity(factor)

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Saved, grad_pruned: Tensor, grad_factor: Tensor, grad_sparsity: Tensor
    ) -> tuple[Tensor, Tensor, None, None]:
        h, squashed, factor, alpha = ctx.saved_tensors
        gating = ctx.gating
        grad_out = gating.backward(grad_pruned * h, squashed, factor)  # d(v_out)
        if gating.trains_sparsity:  # dr = -mean(dg), dg := ds = d(v_out) / gain
            grad_out.sub_(grad_sparsity / (gating.gain * h.numel()))
        grad_v = torch.ops.aten.sigmoid_backward(grad_out, squashed).mul_(gating.slope(alpha))
        return grad_pruned * factor, grad_v, None, None
