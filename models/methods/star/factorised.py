"""Affine maps whose matrix is a shared one times one of the row's own domain, elementwise.

The passes and their backward passes are written out by hand: the matrices of the domains in a batch
are by far the largest tensors of a step. Wide ones are taken one after the other, each in all its
products while it is in the cache; of narrow ones, where the calls would cost more than the work,
many at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

if TYPE_CHECKING:
    from typing import Protocol

    from models.layers.domain_table import DomainTable
    from models.layers.grouping import Groups

    Tables = tuple[DomainTable, DomainTable]

    class SavedFactors(Protocol):
        """What one pass leaves for its backward pass."""

        groups: Groups
        tables: Tables
        saved_tensors: tuple[Tensor, ...]

        def save_for_backward(self, *tensors: Tensor) -> None: ...


WIDE = 1 << 14  # values of a matrix from which on it pays to take one after the other


def factorised_map(h: Tensor, weight: Tensor, bias: Tensor, own: Tables, groups: Groups) -> Tensor:
    """Rows h (B, in) to (B, out) by the matrices and biases of their groups.

    Equation: (W * W_p) h + b + b_p for a row h of the domain p.
    Shapes: W (out, in), b (out,); W_p and b_p are the rows of two tables, (D, out in), (D, out).
    """
    for table in own:
        table.announce(groups.ids)
    is_wide = h.device.type == "cpu" and weight.numel() >= WIDE
    kind = _OneByOne if is_wide else _Stacked
    mapped: Tensor = kind.apply(h, weight, bias, own[0].weight, own[1].weight, own, groups)
    return mapped


class _OneByOne(Function):
    """A loop over the groups; the rows of each lie side by side."""

    @staticmethod
    def forward(  # noqa: PLR0913  (autograd has no keywords)
        ctx: SavedFactors,
        h: Tensor,
        weight: Tensor,
        bias: Tensor,
        own_weight: Tensor,
        own_bias: Tensor,
        tables: Tables,
        groups: Groups,
    ) -> Tensor:
        rows, product = groups.sort(h), torch.empty_like(weight)
        out, transposed = h.new_empty(len(h), len(bias)), product.t()
        factors = own_weight.view(-1, *weight.shape)
        for number, x, y in zip(groups.numbers, groups.runs(rows), groups.runs(out), strict=True):
            torch.mul(factors[number], weight, out=product)
            torch.mm(x, transposed, out=y)
        ctx.save_for_backward(rows, weight, own_weight)
        ctx.groups, ctx.tables = groups, tables
        return groups.unsort(out).add_(_biases(bias, own_bias, groups))

    @staticmethod
    @once_differentiable
    def backward(ctx: SavedFactors, grad: Tensor) -> tuple[Tensor | None, ...]:
        rows, weight, own_weight = ctx.saved_tensors
        groups = ctx.groups
        grads, grad_rows = groups.sort(grad), torch.empty_like(rows)
        product, grad_weight = torch.empty_like(weight), torch.zeros_like(weight)
        grad_weights = weight.new_empty(len(groups.ids), *weight.shape)
        factors = own_weight.view(-1, *weight.shape)
        runs = (groups.runs(values) for values in (rows, grads, grad_rows))
        for number, grad_w, x, g, grad_x in zip(
            groups.numbers, grad_weights.unbind(), *runs, strict=True
        ):
            factor = factors[number]
            torch.mul(factor, weight, out=product)
            torch.mm(g, product, out=grad_x)
            torch.mm(g.t(), x, out=grad_w)
            grad_weight.addcmul_(factor, grad_w)
            grad_w.mul_(weight)
        grad_h = groups.unsort(grad_rows)
        return _gradients(ctx, grad_h, grad_weight, grad_weights, groups.sum(grad))


class _Stacked(Function):
    """A few blocks of groups that have about equally many rows."""

    @staticmethod
    def forward(  # noqa: PLR0913  (autograd has no keywords)
        ctx: SavedFactors,
        h: Tensor,
        weight: Tensor,
        bias: Tensor,
        own_weight: Tensor,
        own_bias: Tensor,
        tables: Tables,
        groups: Groups,
    ) -> Tensor:
        factors = own_weight.index_select(0, groups.ids).view(-1, *weight.shape)
        weights = factors * weight  # (U, out, in)
        padded = groups.pad(h)
        out = h.new_empty(len(padded), len(bias))
        blocks = groups.blocks(padded, out)
        for (x, y), w in zip(blocks, groups.per_block(weights.transpose(1, 2)), strict=True):
            torch.bmm(x, w, out=y)
        ctx.save_for_backward(padded, weight, factors, weights)
        ctx.groups, ctx.tables = groups, tables
        return groups.unpad(out).add_(_biases(bias, own_bias, groups))

    @staticmethod
    @once_differentiable
    def backward(ctx: SavedFactors, grad: Tensor) -> tuple[Tensor | None, ...]:
        padded, weight, factors, weights = ctx.saved_tensors
        groups = ctx.groups
        grads, grad_padded = groups.pad_with_zeros(grad), torch.empty_like(padded)
        grad_weights = torch.empty_like(weights)
        for (x, g, grad_x), w, grad_w in zip(
            groups.blocks(padded, grads, grad_padded),
            groups.per_block(weights),
            groups.per_block(grad_weights),
            strict=True,
        ):
            torch.bmm(g, w, out=grad_x)
            outer = torch.mul if g.shape[1] == 1 else torch.bmm  # of one row the cheaper one
            outer(g.transpose(1, 2), x, out=grad_w)
        grad_weight = (grad_weights * factors).sum(dim=0)
        grad_h = groups.unpad(grad_padded)
        return _gradients(ctx, grad_h, grad_weight, grad_weights.mul_(weight), groups.sum(grad))


def _biases(bias: Tensor, own_bias: Tensor, groups: Groups) -> Tensor:
    """What is added to the rows (B, out): at once, since small products with a bias cost more."""
    return groups.spread(own_bias.index_select(0, groups.ids).add_(bias))


def _gradients(
    ctx: SavedFactors,
    grad_h: Tensor,
    grad_weight: Tensor,
    grad_factors: Tensor,
    grad_biases: Tensor,
) -> tuple[Tensor | None, ...]:
    """One for each argument of `forward`, from those of the groups (U, out, in) and (U, out)."""
    of_weights, of_biases = ctx.tables
    return (
        grad_h,
        grad_weight,
        grad_biases.sum(dim=0),
        of_weights.gradient(ctx.groups, grad_factors),
        of_biases.gradient(ctx.groups, grad_biases),
        None,
        None,
    )
