"""Standardisation of rows by their group, with a scale and shift of each group.

Written out by hand, since the chain of gathers and scatters costs several times the work itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

if TYPE_CHECKING:
    from typing import Protocol

    from models.grouping import Groups

    class Saved(Protocol):
        """What one pass leaves for its backward pass."""

        groups: Groups
        saved_tensors: tuple[Tensor, ...]

        def save_for_backward(self, *tensors: Tensor) -> None: ...


class Standardise(Function):
    """Rows z (B, d) to gamma_p (z - mu_p) / sigma_p + beta_p of the groups p of the rows.

    Shapes: mean, inverse_std, scale, shift (U, d); `is_own` (U,) says where mean and deviation
        were taken from these rows, so that the gradient goes through them too.
    """

    @staticmethod
    def forward(  # noqa: PLR0913  (autograd has no keywords)
        ctx: Saved,
        z: Tensor,
        mean: Tensor,
        inverse_std: Tensor,
        is_own: Tensor,
        scale: Tensor,
        shift: Tensor,
        groups: Groups,
    ) -> Tensor:
        ctx.save_for_backward(z, mean, inverse_std, is_own, scale)
        ctx.groups = groups
        factor = scale * inverse_std  # (U, d)
        summand = torch.addcmul(shift, mean, factor, value=-1.0)
        return torch.addcmul(groups.spread(summand), z, groups.spread(factor))

    @staticmethod
    @once_differentiable
    def backward(ctx: Saved, grad: Tensor) -> tuple[Tensor | None, ...]:
        z, mean, inverse_std, is_own, scale = ctx.saved_tensors
        groups = ctx.groups
        grad_shift = groups.sum(grad)  # (U, d)
        grad_scale = (groups.sum(grad * z) - mean * grad_shift) * inverse_std
        factor = scale * inverse_std
        # d z = factor (d y - mean of d y - z' mean of d y z'), z' the standardised rows
        share = (is_own / groups.counts).unsqueeze(1)  # (U, 1), 0 where statistics are constants
        of_z = -factor * inverse_std * grad_scale * share
        constant = -factor * grad_shift * share - mean * of_z
        grad_z = torch.addcmul(groups.spread(constant), grad, groups.spread(factor))
        grad_z.addcmul_(z, groups.spread(of_z))
        return grad_z, None, None, None, grad_scale, grad_shift, None
