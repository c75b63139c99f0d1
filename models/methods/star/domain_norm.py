"""Partitioned normalisation: every domain is standardised by its own statistics.

Paper: Sheng et al.: One model to serve all: star topology adaptive recommender for multi-domain CTR
    prediction, CIKM 2021, arXiv 2101.11427, section 3.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from models.interfaces import DomainTransform
from models.layers.domain_table import DomainTable

if TYPE_CHECKING:
    from typing import Protocol

    from models.interfaces import DomainContext, ModelShape
    from models.layers.grouping import Groups, LastGroups

    class SavedNorm(Protocol):
        """What one pass leaves for its backward pass."""

        groups: Groups
        saved_tensors: tuple[Tensor, ...]

        def save_for_backward(self, *tensors: Tensor) -> None: ...


ALL_ROWS = 0  # the row of the statistics of all rows; as an id, a domain unseen in train


class Standardise(Function):
    """Rows z (B, d) to gamma_p (z - mu_p) / sigma_p + beta_p of the groups p of the rows.

    Written out by hand, since the chain of gathers and scatters costs several times the work.

    Shapes: mean, inverse_std, scale, shift (U, d); `is_own` (U,) says where mean and deviation
        were taken from these rows, so that the gradient goes through them too.
    """

    @staticmethod
    def forward(  # noqa: PLR0913  (autograd has no keywords)
        ctx: SavedNorm,
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
    def backward(ctx: SavedNorm, grad: Tensor) -> tuple[Tensor | None, ...]:
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


class PartitionedNorm(DomainTransform):
    """Batch normalisation with the statistics, and a scale and shift, of each domain.

    Equation: z' = (gamma * gamma_p) (z - mu) / sqrt(sigma^2 + eps) + (beta + beta_p), with mu and
        sigma^2 of the rows of p in the batch in training, and moving averages of p in evaluation;
        STAR, section 3.2.
    Shapes: gamma, beta (d,); gamma_p, beta_p (D, d); running mean and variance (D, 2, d).
    Deviation: eps is 1e-3, as in public code. Embeddings start at N(0, s^2), s usually 0.01: an eps
        far below s^2, with gamma = 1, would lift them to a deviation of 1, a hundred times what
        the same network reads under any other method.
    Deviation: gamma starts at sqrt(s^2 + eps), where the paper has 1, and running statistics at
        the mean 0 and the variance s^2: before training the normalisation is the identity.
    Deviation: a domain with fewer than `min_rows` rows in a batch is normalised by its running
        statistics, which are constants to the gradient, since the variance of few rows is noise.
    Deviation: running statistics follow every batch in which their domain occurs. They move by
        `momentum` in batch normalisation's way from `min_rows` rows on, the first time all the
        way; by few rows in proportion, momentum n / min_rows, on the first and the second moment,
        so that the variance is not that within the few alone. A domain starts from the statistics
        of all rows, which it has until it occurs, and for good if it is unseen in train.
    """

    statistics: Tensor
    updates: Tensor
    whole_updates: Tensor

    def __init__(
        self,
        n: int,
        shape: ModelShape,
        groups: LastGroups,
        *,
        momentum: float,
        min_rows: int,
        variance_floor: float,
    ) -> None:
        """Make the normalisation of n values; `groups` finds the rows of each task."""
        super().__init__()
        self.momentum, self.min_rows, self.variance_floor = momentum, min_rows, variance_floor
        self.first_std = shape.embedding_std
        self.groups = groups
        self.gamma = nn.Parameter(torch.zeros(n))
        self.beta = nn.Parameter(torch.zeros(n))
        self.own_gamma = DomainTable(shape, (n,), 1.0)
        self.own_beta = DomainTable(shape, (n,), 0.0)
        start = torch.tensor([0.0, self.first_std**2]).view(1, 2, 1)
        self.register_buffer("statistics", start.repeat(shape.num_tasks, 1, n))
        self.register_buffer("updates", torch.zeros(shape.num_tasks, dtype=torch.int64))
        self.register_buffer("whole_updates", torch.zeros(shape.num_tasks, dtype=torch.int64))

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """The identity for values of the embeddings' first scale."""
        self.gamma.fill_((self.first_std**2 + self.variance_floor) ** 0.5)
        self.beta.zero_()

    def forward(self, h: Tensor, context: DomainContext) -> Tensor:
        groups = self.groups(context.task_id)
        with torch.no_grad():
            is_own = self._is_whole(groups.counts) & (groups.ids != ALL_ROWS) & self.training
            mean, var = self._statistics(h, groups, is_own)
        normalised: Tensor = Standardise.apply(
            h,
            mean,
            torch.rsqrt(var + self.variance_floor),
            is_own,
            self.gamma * self.own_gamma(groups.ids),
            self.beta + self.own_beta(groups.ids),
            groups,
        )
        return normalised

    def _is_whole(self, rows: Tensor) -> Tensor:
        """Whether so many rows (U,) of a domain give statistics of their own."""
        return rows >= self.min_rows

    def _statistics(self, h: Tensor, groups: Groups, is_own: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance (U, d) of the domains; in training the running ones move."""
        if not self.training:
            mean, var = self._running(groups.ids).unbind(1)
            return mean, var
        rows = groups.counts.unsqueeze(1)  # (U, 1)
        mean = groups.sum(h) / rows
        var = groups.sum((h - groups.spread(mean)).square_()) / rows
        share = rows / len(h)
        centre = (share * mean).sum(dim=0, keepdim=True)
        spread = (share * (var + (mean - centre).square())).sum(dim=0, keepdim=True)
        every = groups.ids.new_full((1,), ALL_ROWS)
        self._move(every, centre, spread, torch.full_like(every, len(h)))
        self._move(groups.ids, mean, var, groups.counts * (groups.ids != ALL_ROWS))
        running_mean, running_var = self._running(groups.ids).unbind(1)
        own = is_own.unsqueeze(1)
        return torch.where(own, mean, running_mean), torch.where(own, var, running_var)

    def _move(self, ids: Tensor, mean: Tensor, var: Tensor, rows: Tensor) -> None:
        """Move the running statistics of different ids (U,) towards those of their rows.

        As in batch normalisation a whole batch counts by its unbiased variance alone. Few rows
        count by their second moment around the running mean, which one row has as well.
        """
        is_whole = self._is_whole(rows)  # (U,)
        is_first = is_whole & (self.whole_updates.index_select(0, ids) == 0)
        step = self.momentum * (rows / self.min_rows).clamp(max=1.0).to(mean.dtype)
        step = step.masked_fill(is_first, 1.0).unsqueeze(1)  # (U, 1)
        running = self._running(ids)  # (U, 2, d)
        unbiased = var * (rows / (rows - 1).clamp(min=1)).unsqueeze(1)
        around = var + (1.0 - step) * (mean - running[:, 0]).square()
        target = torch.stack([mean, torch.where(is_whole.unsqueeze(1), unbiased, around)], dim=1)
        moved = running.lerp_(target, step.unsqueeze(2))
        self.statistics.index_copy_(0, ids, moved)
        self.updates.index_add_(0, ids, (rows > 0).long())
        self.whole_updates.index_add_(0, ids, is_whole.long())

    def _running(self, ids: Tensor) -> Tensor:
        """The running mean and variance (U, 2, d) of domains, or those of all rows."""
        has_own = (self.updates.index_select(0, ids) > 0).view(-1, 1, 1)
        return torch.where(has_own, self.statistics.index_select(0, ids), self.statistics[ALL_ROWS])
