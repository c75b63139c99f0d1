"""Affine maps by a domain's own matrix or a shared one times it, moved in the backward pass."""

from __future__ import annotations

from ctypes import Structure, addressof, byref, c_int64, c_void_p
from typing import TYPE_CHECKING, NamedTuple, Protocol

import torch
from torch.autograd import Function
from torch.autograd.function import once_differentiable

if TYPE_CHECKING:
    from torch import Tensor

    from models.layers.kernels.rows import NativeRows

    class SavedMap(Protocol):
        """The values that a pass leaves for its backward pass."""

        own: OwnRows
        runs: DomainRuns
        share: Tensor | None
        saved_tensors: tuple[Tensor, ...]

        def save_for_backward(self, *tensors: Tensor) -> None: ...


class OwnRows(NamedTuple):
    """The rows that are a domain's own."""

    weights: NativeRows  # (D, out in), the factors, or whole matrices
    biases: NativeRows  # (D, out)


class DomainRuns(NamedTuple):
    """The rows of a batch by domain; all int64."""

    ids: Tensor  # (U,) the domains
    counts: Tensor  # (U,) the rows of each
    order: Tensor  # (B,) the rows, domain by domain


class Factors(Structure):
    """A pass as the kernels see it; rows.cpp explains the fields."""

    _fields_ = (
        *((name, c_void_p) for name in ("weights", "biases")),
        *((name, c_int64) for name in ("num", "n_out", "n_in")),
        *((name, c_void_p) for name in ("ids", "sizes", "order", "weight", "bias", "share")),
        *((name, c_void_p) for name in ("scratch", "gemm")),
    )


class NativeFactorisedMap(Function):
    """Rows h (B, in) to (B, out) by the matrices and biases of their domains.

    The second result is the sum over the domains of `share` times the squared distance of their
    factors from 1. The backward pass moves the domains' own rows at once, while they are in the
    cache: they have no gradient, and whoever asks for one of the others moves them too.

    Equation: (W * W_p) h + b + b_p for a row h of the domain p; W_p h + b_p without W and b.
    Shapes: W (out, in), b (out,), share (U,).
    """

    @staticmethod
    def forward(  # noqa: PLR0913  (autograd has no keywords)
        ctx: SavedMap,
        h: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        share: Tensor | None,
        own: OwnRows,
        runs: DomainRuns,
    ) -> tuple[Tensor, Tensor]:
        h = h.contiguous()
        out, distance = h.new_empty(len(h), own.biases.width), h.new_zeros(())
        scratch = _scratch(h, own)
        factors = _factors(h, weight, bias, share, own, runs, scratch)
        found = own.weights.library.map_by_factors(
            byref(factors), h.data_ptr(), out.data_ptr(), distance.data_ptr()
        )
        own.weights.check_found(runs.ids, found)
        ctx.save_for_backward(h, *([] if weight is None or bias is None else [weight, bias]))
        ctx.own, ctx.runs, ctx.share = own, runs, share
        return out, distance

    @staticmethod
    @once_differentiable
    def backward(ctx: SavedMap, grad: Tensor, of_distance: Tensor) -> tuple[Tensor | None, ...]:
        h, *shared = ctx.saved_tensors
        weight, bias = shared or (None, None)
        own, grad, scratch = ctx.own, grad.contiguous(), _scratch(h, ctx.own)
        if own.weights.is_moved:
            raise RuntimeError("a second backward pass before the step of the optimiser")
        factors = _factors(h, weight, bias, ctx.share, own, ctx.runs, scratch)
        grads = h.new_empty(h.shape), *(torch.zeros_like(value) for value in shared)
        own.weights.library.step_factors(
            byref(factors),
            h.data_ptr(),
            grad.data_ptr(),
            of_distance.item(),
            *(values.data_ptr() for values in grads),
            *([] if shared else [None, None]),
        )
        own.weights.is_moved = own.biases.is_moved = True
        return *grads, *([] if shared else [None, None]), None, None, None


def _scratch(h: Tensor, own: OwnRows) -> Tensor:
    n_in, n_out = h.shape[1], own.biases.width
    return h.new_empty(2 * len(h) * (n_in + n_out) + 3 * n_in * n_out)


def _factors(  # noqa: PLR0913  (what the kernels read)
    h: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    share: Tensor | None,
    own: OwnRows,
    runs: DomainRuns,
    scratch: Tensor,
) -> Factors:
    """The pass for the kernels.

    Raises:
        ValueError: sizes or dtypes do not fit each other, or values are not contiguous.
    """
    n_out, n_in = own.biases.width, h.shape[1]
    dtype = own.weights.rows.dtype
    shared = {"weight": weight, "bias": bias, "share": share}
    values = [value for value in shared.values() if value is not None]
    fits = own.weights.width == n_out * n_in
    fits &= weight is None or weight.shape == (n_out, n_in)
    fits &= bias is None or bias.shape == (n_out,)
    if not fits or not all(one.is_contiguous() and one.dtype == dtype for one in (h, *values)):
        shapes = ", ".join(f"{tuple(value.shape)} in {value.dtype}" for value in (h, *values))
        raise ValueError(
            f"{own.weights.width} factors and {own.biases.width} biases in {dtype} do not fit rows,"
            f" and shared values, {shapes}; allowed: as many values, contiguous, in that dtype"
        )
    return Factors(
        weights=addressof(own.weights.state),
        biases=addressof(own.biases.state),
        num=len(runs.ids),
        n_out=n_out,
        n_in=n_in,
        ids=runs.ids.data_ptr(),
        sizes=runs.counts.data_ptr(),
        order=runs.order.data_ptr(),
        **{name: None if value is None else value.data_ptr() for name, value in shared.items()},
        scratch=scratch.data_ptr(),
        gemm=own.weights.library.gemm,
    )
