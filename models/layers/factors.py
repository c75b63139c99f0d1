"""Affine maps by a matrix of each domain's own, or by the product of a shared one and it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional

from models.layers.grouping import Groups
from models.layers.kernels.factors import DomainRuns, NativeFactorisedMap, OwnRows

if TYPE_CHECKING:
    from typing import Protocol

    from models.layers.grouping import RowGroups
    from models.layers.tables import DomainTable

    Tables = tuple[DomainTable, DomainTable]

    class SavedProducts(Protocol):
        """The values that one pass leaves for its backward pass."""

        groups: RowGroups
        tables: Tables
        is_wide: bool
        saved_tensors: tuple[Tensor, ...]

        def save_for_backward(self, *tensors: Tensor) -> None: ...


WIDE = 1 << 14  # values of a matrix from which on it pays to take one after the other


def map_by_factors(
    h: Tensor, affine: nn.Linear, own: Tables, groups: RowGroups, share: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """Rows (B, out) of h (B, in) by shared and own weights, and the distance of the own from 1.

    `own` are the factors (out, in) and the biases (out,) of each domain. With the weights `share`
    (U,) of the domains the distance is sum_p share_p |W_p - 1|^2, else None.
    """
    of_weights, of_biases = own
    if native := _native(own, groups, affine.weight, affine.bias):
        mapped, distance = NativeFactorisedMap.apply(h, affine.weight, affine.bias, share, *native)
        return mapped, None if share is None else distance
    for table in own:
        table.announce(groups.ids)
    tables = (of_weights.weight, of_biases.weight)
    mapped = FactorisedMap.apply(h, affine.weight, affine.bias, *tables, own, groups)
    if share is None:
        return mapped, None
    apart = (of_weights(groups.ids) - 1.0).square().sum(dim=(1, 2))  # (U,)
    return mapped, (share * apart).sum()


def map_by_own(h: Tensor, own: Tables, groups: RowGroups) -> Tensor:
    """Rows (B, out) of h (B, in) by the weights (out, in) and biases (out,) of each domain."""
    if native := _native(own, groups):
        mapped: Tensor = NativeFactorisedMap.apply(h, None, None, None, *native)[0]
        return mapped
    of_weights, of_biases = own
    return map_by_group(h, of_weights(groups.ids), of_biases(groups.ids), groups)


def map_by_group(h: Tensor, weights: Tensor, biases: Tensor, groups: RowGroups) -> Tensor:
    """Rows (B, out) of h (B, in) by weights (U, out, in) and biases (U, out) of their groups."""
    if len(weights) == 1:
        return functional.linear(h, weights[0], biases[0])
    of_blocks = zip(
        groups.blocks(groups.pad(h)),
        groups.per_block(weights.transpose(1, 2)),
        groups.per_block(biases.unsqueeze(1)),
        strict=True,
    )
    mapped = [torch.baddbmm(b, x, w).flatten(0, 1) for (x,), w, b in of_blocks]  # (u n, out) each
    return groups.unpad(torch.cat(mapped))


def _native(own: Tables, groups: RowGroups, *shared: Tensor) -> tuple[OwnRows, DomainRuns] | None:
    """The arguments of native kernels, where they do the work: on a CPU, if all are trained."""
    of_weights, of_biases = own
    weights, biases = of_weights.native_rows, of_biases.native_rows
    is_trained = all(v.requires_grad for v in (of_weights.weight, of_biases.weight, *shared))
    if weights is None or biases is None or not isinstance(groups, Groups) or not is_trained:
        return None
    return OwnRows(weights, biases), DomainRuns(groups.ids, groups.counts, groups.order)


class FactorisedMap(Function):
    """Rows h (B, in) to (B, out) by the matrices and biases of their groups.

    The passes and their backward passes are written out by hand: the matrices of the domains in a
    batch are by far the largest tensors of a step. Wide ones are taken one after the other, each in
    all its products while it is in the cache; of narrow ones, where the calls would cost more than
    the work, many at a time.

    Equation: (W * W_p) h + b + b_p for a row h of the domain p.
    Shapes: W (out, in), b (out,); W_p and b_p are the rows of two tables, (D, out in), (D, out).
    """

    @staticmethod
    def forward(  # noqa: PLR0913  (autograd has no keywords)
        ctx: SavedProducts,
        h: Tensor,
        weight: Tensor,
        bias: Tensor,
        own_weight: Tensor,
        own_bias: Tensor,
        tables: Tables,
        groups: RowGroups,
    ) -> Tensor:
        ctx.groups, ctx.tables = groups, tables
        ctx.is_wide = isinstance(groups, Groups) and weight.numel() >= WIDE
        out = (_one_by_one if ctx.is_wide else _stacked)(ctx, h, weight, own_weight)
        # At once, since small products with a bias cost more.
        return out.add_(groups.spread(own_bias.index_select(0, groups.ids).add_(bias)))

    @staticmethod
    @once_differentiable
    def backward(ctx: SavedProducts, grad: Tensor) -> tuple[Tensor | None, ...]:
        pass_back = _one_by_one_backward if ctx.is_wide else _stacked_backward
        grad_h, grad_weight, grad_weights = pass_back(ctx, grad)
        grad_biases = ctx.groups.sum(grad)  # (U, out)
        of_weights, of_biases = ctx.tables
        return (
            grad_h,
            grad_weight,
            grad_biases.sum(dim=0),
            of_weights.gradient(ctx.groups, grad_weights),
            of_biases.gradient(ctx.groups, grad_biases),
            None,
            None,
        )


def _one_by_one(ctx: SavedProducts, h: Tensor, weight: Tensor, own_weight: Tensor) -> Tensor:
    """The products (B, out) in a loop over the groups; the rows of each lie side by side."""
    groups = ctx.groups
    assert isinstance(groups, Groups)
    rows, product = groups.sort(h), torch.empty_like(weight)
    out, transposed = h.new_empty(len(h), len(weight)), product.t()
    factors = own_weight.view(-1, *weight.shape)
    for number, x, y in zip(groups.numbers, groups.runs(rows), groups.runs(out), strict=True):
        torch.mul(factors[number], weight, out=product)
        torch.mm(x, transposed, out=y)
    ctx.save_for_backward(rows, weight, own_weight)
    return groups.unsort(out)


def _one_by_one_backward(ctx: SavedProducts, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of h (B, in), of the shared matrix and of the groups' own (U, out, in)."""
    rows, weight, own_weight = ctx.saved_tensors
    groups = ctx.groups
    assert isinstance(groups, Groups)
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
    return groups.unsort(grad_rows), grad_weight, grad_weights


def _stacked(ctx: SavedProducts, h: Tensor, weight: Tensor, own_weight: Tensor) -> Tensor:
    """The products (B, out) by a few blocks of groups that have about equally many rows."""
    groups = ctx.groups
    factors = own_weight.index_select(0, groups.ids).view(-1, *weight.shape)
    weights = factors * weight  # (U, out, in)
    padded = groups.pad(h)
    out = h.new_empty(len(padded), len(weight))
    blocks = groups.blocks(padded, out)
    for (x, y), w in zip(blocks, groups.per_block(weights.transpose(1, 2)), strict=True):
        torch.bmm(x, w, out=y)
    ctx.save_for_backward(padded, weight, factors, weights)
    return groups.unpad(out)


def _stacked_backward(ctx: SavedProducts, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients as of `_one_by_one_backward`."""
    padded, weight, factors, weights = ctx.saved_tensors
    groups = ctx.groups
    grads, grad_padded = groups.pad_with_zeros(grad), torch.empty_like(padded)
    of_blocks = []
    blocks = groups.blocks(padded, grads, grad_padded)
    for (x, g, grad_x), w in zip(blocks, groups.per_block(weights), strict=True):
        torch.bmm(g, w, out=grad_x)
        outer = torch.mul if g.shape[1] == 1 else torch.bmm  # of one row the cheaper one
        of_blocks.append(outer(g.transpose(1, 2), x))
    grad_weights = groups.of_ids(of_blocks)  # (U, out, in)
    grad_weight = (grad_weights * factors).sum(dim=0)
    return groups.unpad(grad_padded), grad_weight, grad_weights.mul_(weight)
