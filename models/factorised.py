"""Affine maps whose matrix is a shared one times one of the row's own domain, elementwise.

The pass and its backward pass are written out by hand: the matrices of the domains in a batch are
by far the largest tensors of a step, so each is touched as few times as possible.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

if TYPE_CHECKING:
    from typing import Protocol

    from models.domain_table import DomainTable
    from models.grouping import Groups

    class Saved(Protocol):
        """What one pass leaves for its backward pass."""

        groups: Groups
        tables: tuple[DomainTable, DomainTable]
        saved_tensors: tuple[Tensor, ...]

        def save_for_backward(self, *tensors: Tensor) -> None: ...


WIDE = 1 << 14  # values of a matrix from which on it pays to take one after the other


class FactorisedMap(Function):
    """Rows h (B, in) to (B, out) by the matrices and biases of their groups.

    Equation: (W * W_p) h + b + b_p for a row h of the domain p.
    Shapes: W (out, in), b (out,); W_p and b_p are the rows of two tables, (D, out in), (D, out).
    """

    @staticmethod
    def forward(  # noqa: PLR0913  (autograd has no keywords)
        ctx: Saved,
        h: Tensor,
        weight: Tensor,
        bias: Tensor,
        own_weight: Tensor,
        own_bias: Tensor,
        tables: tuple[DomainTable, DomainTable],
        groups: Groups,
    ) -> Tensor:
        weights = _products(own_weight, weight, groups)  # (U, out, in)
        biases = own_bias.index_select(0, groups.ids) + bias  # (U, out)
        padded = groups.pad(h)
        out = h.new_empty(len(padded), len(bias))
        for (x, y), w, b in zip(
            groups.blocks(padded, out),
            groups.per_block(weights),
            groups.per_block(biases.unsqueeze(1)),
            strict=True,
        ):
            torch.baddbmm(b, x, w.transpose(1, 2), out=y)
        ctx.save_for_backward(padded, weight, own_weight, weights)
        ctx.groups, ctx.tables = groups, tables
        return groups.unpad(out)

    @staticmethod
    @once_differentiable
    def backward(ctx: Saved, grad: Tensor) -> tuple[Tensor | None, ...]:
        padded, weight, own_weight, weights = ctx.saved_tensors
        groups = ctx.groups
        of_weights, of_biases = ctx.tables
        grads, grad_padded = groups.pad_with_zeros(grad), torch.empty_like(padded)
        grad_weights = torch.empty_like(weights)
        grad_biases = groups.sum(grad)  # (U, out)
        for (x, g, grad_x), w, grad_w in zip(
            groups.blocks(padded, grads, grad_padded),
            groups.per_block(weights),
            groups.per_block(grad_weights),
            strict=True,
        ):
            torch.bmm(g, w, out=grad_x)
            outer = torch.mul if g.shape[1] == 1 else torch.bmm  # of one row the cheaper one
            outer(g.transpose(1, 2), x, out=grad_w)
        grad_weight = _grad_factors(grad_weights, own_weight, weight, groups)
        return (
            groups.unpad(grad_padded),
            grad_weight,
            grad_biases.sum(dim=0),
            of_weights.gradient(groups, grad_weights),
            of_biases.gradient(groups, grad_biases),
            None,
            None,
        )


def _products(own_weight: Tensor, weight: Tensor, groups: Groups) -> Tensor:
    """W * W_p of the groups (U, out, in)."""
    if weight.numel() < WIDE:
        return own_weight.index_select(0, groups.ids).view(-1, *weight.shape) * weight
    products = weight.new_empty(len(groups.ids), weight.numel())
    flat = weight.view(-1)
    for number, product in zip(groups.numbers, products.unbind(), strict=True):
        torch.mul(own_weight[number], flat, out=product)
    return products.view(-1, *weight.shape)


def _grad_factors(
    grad_weights: Tensor, own_weight: Tensor, weight: Tensor, groups: Groups
) -> Tensor:
    """From gradients of W * W_p (U, out, in) that of W, and in their place those of W_p."""
    if weight.numel() < WIDE:
        own = own_weight.index_select(0, groups.ids).view_as(grad_weights)
        total = (grad_weights * own).sum(dim=0)
        grad_weights.mul_(weight)
        return total
    flat, total = (
        weight.view(-1),
        torch.zeros(weight.numel(), dtype=weight.dtype, device=weight.device),
    )
    for number, grad in zip(groups.numbers, grad_weights.flatten(1).unbind(), strict=True):
        total.addcmul_(own_weight[number], grad)
        grad.mul_(flat)
    return total.view_as(weight)
