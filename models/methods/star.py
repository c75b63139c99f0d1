"""STAR: every domain has its own factors of the shared weights, and its own normalisation.

The domains are the values of one representative domain column, the task ids (AdaSparse, footnote
4), except where a study says otherwise.

Paper: Sheng et al.: One model to serve all: star topology adaptive recommender for multi-domain CTR
    prediction, CIKM 2021, arXiv 2101.11427, section 3; as AdaSparse (arXiv 2206.13108) uses it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import torch
from torch import Tensor, nn

from models.config_values import check_values
from models.domain_norm import Standardise
from models.domain_table import DomainTable
from models.factorised import factorised_map
from models.grouping import LastGroups
from models.interfaces import (
    AffineLinear,
    Choice,
    DomainLinear,
    DomainMethod,
    DomainTransform,
    MethodEntry,
    Range,
    tuned,
)

if TYPE_CHECKING:
    from models.grouping import Groups
    from models.interfaces import DomainContext, ModelShape, Place, Role

AuxiliaryInput = Literal["all", "domain"]
VARIANCE_FLOOR = 1e-5


@dataclass(frozen=True, slots=True, kw_only=True)
class StarConfig:
    """Normalisation, auxiliary network, and where the factors are.

    Raises:
        ValueError: a value is out of its range.
    """

    partitioned_norm: bool = True
    momentum: float = tuned(0.05, Choice((0.01, 0.05, 0.1)))  # of the running statistics
    min_rows: int = 16  # a domain with fewer in the batch is normalised by running statistics
    auxiliary_hidden: int = tuned(32, Choice((16, 32, 64)))
    auxiliary_input: AuxiliaryInput = tuned("all", Choice(("all", "domain")))  # x_0, or e_d alone
    star_cross: bool = False  # factors in the full-rank cross layers of DCNv2 too
    factor_l2: float = tuned(0.0, Range(low=1e-8, high=1e-3, log=True))  # weight of (W_p - 1)^2

    def __post_init__(self) -> None:
        check_values(self)
        if not 0.0 < self.momentum <= 1.0:
            raise ValueError(f"momentum must be in (0, 1], got {self.momentum}")
        if self.min_rows < 2:
            raise ValueError(f"min_rows must be at least 2, got {self.min_rows}")
        if self.auxiliary_hidden < 1:
            raise ValueError(f"auxiliary_hidden must be at least 1, got {self.auxiliary_hidden}")
        if self.auxiliary_input not in get_args(AuxiliaryInput):
            raise ValueError(
                f"unknown auxiliary_input {self.auxiliary_input!r}; allowed: all, domain"
            )
        if self.factor_l2 < 0.0:
            raise ValueError(f"factor_l2 must be at least 0, got {self.factor_l2}")


class StarLinear(AffineLinear):
    """An affine map whose weights are the product of a shared and a domain's own matrix.

    Equation: h W*_p + b*_p with W*_p = W * W_p (elementwise), b*_p = b + b_p; STAR, section 3.3.
    Shapes: W (out, in), W_p (D, out, in), b (out,), b_p (D, out).
    Deviation: W_p starts at 1 and b_p at 0, so that training starts from the shared network; two
        factors that both start near zero have a product that hardly learns.
    Deviation: batches mix domains, where the paper's hold one domain each. Rows are grouped by
        domain within the layer; W_p sees the rows of p alone, W all rows.
    Deviation: a domain unseen in train has W_p = 1 and b_p = 0 for good.
    """

    def __init__(
        self, n_in: int, n_out: int, *, is_hidden: bool, shape: ModelShape, groups: LastGroups
    ) -> None:
        """Make a map that the activation of `shape` follows if `is_hidden`."""
        super().__init__(n_in, n_out, shape.activation if is_hidden else None)
        self.own_weight = DomainTable(shape, (n_out, n_in), 1.0)
        self.own_bias = DomainTable(shape, (n_out,), 0.0)
        self.groups = groups

    def forward(self, h: Tensor, context: DomainContext) -> Tensor:
        groups = self.groups(context.task_id)
        own = (self.own_weight, self.own_bias)
        return factorised_map(h, self.affine.weight, self.affine.bias, own, groups)


class PartitionedNorm(DomainTransform):
    """Batch normalisation with the statistics, and a scale and shift, of each domain.

    Equation: z' = (gamma * gamma_p) (z - mu) / sqrt(sigma^2 + eps) + (beta + beta_p), with mu and
        sigma^2 of the rows of p in the batch in training, and moving averages of p in evaluation;
        STAR, section 3.2.
    Shapes: gamma, beta (d,); gamma_p, beta_p (D, d); running mean and variance (D, 2, d).
    Deviation: a domain with fewer than `min_rows` rows in a batch is normalised by its running
        statistics, which then stay, since the variance of a few rows is noise.
    Deviation: running statistics start with the first batch that moves them, not with 0 and 1;
        those of all rows, kept in row 0, serve a domain that has none yet or is unseen in train.
    """

    statistics: Tensor
    updates: Tensor

    def __init__(self, n: int, config: StarConfig, shape: ModelShape, groups: LastGroups) -> None:
        super().__init__()
        self.momentum, self.min_rows = config.momentum, config.min_rows
        self.groups = groups
        self.gamma = nn.Parameter(torch.zeros(n))
        self.beta = nn.Parameter(torch.zeros(n))
        self.own_gamma = DomainTable(shape, (n,), 1.0)
        self.own_beta = DomainTable(shape, (n,), 0.0)
        start = torch.tensor([0.0, 1.0]).view(1, 2, 1)
        self.register_buffer("statistics", start.repeat(shape.num_tasks, 1, n))
        self.register_buffer("updates", torch.zeros(shape.num_tasks, dtype=torch.int64))

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """The identity of scale and shift."""
        self.gamma.fill_(1.0)
        self.beta.zero_()

    def forward(self, h: Tensor, context: DomainContext) -> Tensor:
        groups = self.groups(context.task_id)
        with torch.no_grad():
            is_own = (groups.counts >= self.min_rows) & self.training  # (U,)
            mean, var = self._statistics(h, groups, is_own)
        normalised: Tensor = Standardise.apply(
            h,
            mean,
            torch.rsqrt(var + VARIANCE_FLOOR),
            is_own,
            self.gamma * self.own_gamma(groups.ids),
            self.beta + self.own_beta(groups.ids),
            groups,
        )
        return normalised

    def _statistics(self, h: Tensor, groups: Groups, is_own: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance (U, d) of the domains; in training the running ones move."""
        if not self.training or len(h) < 2:
            return self._running(groups, self.statistics.index_select(0, groups.ids))
        rows = groups.counts.unsqueeze(1)  # (U, 1)
        mean = groups.sum(h) / rows
        var = groups.sum((h - groups.spread(mean)).square_()) / rows
        share = rows / len(h)
        centre = (share * mean).sum(dim=0, keepdim=True)
        spread = (share * (var + (mean - centre).square())).sum(dim=0, keepdim=True)
        zero = groups.ids.new_zeros(1)
        self._move(zero, centre, spread, torch.full_like(zero, len(h)))
        moved = self._move(groups.ids, mean, var, groups.counts * is_own)
        running_mean, running_var = self._running(groups, moved)
        own = is_own.unsqueeze(1)
        return torch.where(own, mean, running_mean), torch.where(own, var, running_var)

    def _move(self, ids: Tensor, mean: Tensor, var: Tensor, rows: Tensor) -> Tensor:
        """Move the running statistics of different ids, where `rows` is not 0; returns them all.

        As in batch normalisation the running variance is the unbiased one. The first time they
        move all the way.
        """
        unbiased = var * (rows / (rows - 1).clamp(min=1)).unsqueeze(1)
        batch = torch.stack([mean, unbiased], dim=1)  # (U, 2, d)
        first = self.updates.index_select(0, ids) == 0
        step = (torch.where(first, 1.0, self.momentum) * (rows > 0)).to(batch.dtype)  # (U,)
        moved = self.statistics.index_select(0, ids).lerp_(batch, step.view(-1, 1, 1))
        self.statistics.index_copy_(0, ids, moved)
        self.updates.index_add_(0, ids, (rows > 0).long())
        return moved

    def _running(self, groups: Groups, own: Tensor) -> tuple[Tensor, Tensor]:
        """The domains' own running mean and variance (U, d), or those of all rows."""
        has_own = (self.updates.index_select(0, groups.ids) > 0).view(-1, 1, 1)
        mean, var = torch.where(has_own, own, self.statistics[0]).unbind(1)
        return mean, var


class Star(DomainMethod):
    """Star-topology layers, partitioned normalisation of x_0, and an auxiliary network.

    Equation: p_ctr = sigma(s_m + s_a), s_m the logit of the star network and s_a that of a small
        network which is the same for all domains; STAR, section 3.4.
    Shapes: s_m, s_a (B,); the auxiliary network reads x_0 (B, d) or e_d (B, E_d), and its hidden
        layer has `auxiliary_hidden` values.
    Deviation: the auxiliary network reads x_0, whose head are the domain fields; reports differ on
        whether the original reads the domain fields alone, which `auxiliary_input="domain"` does.
    Deviation: on DCNv2 the cross layers are shared, unless `star_cross` (full-rank ones only).
    Deviation: `factor_l2` adds factor_l2 / 2 sum_l sum_p (rows of p / rows) |W_p^l - 1|^2 over the
        domains of a batch: a decay towards the shared network, not towards zero.
    """

    def __init__(self, config: StarConfig, shape: ModelShape) -> None:
        super().__init__(shape)
        self.config = config
        self.groups = LastGroups()
        n_in = shape.n_input if config.auxiliary_input == "all" else shape.n_domain
        self.auxiliary_hidden = AffineLinear(n_in, config.auxiliary_hidden, shape.activation)
        self.auxiliary_out = AffineLinear(config.auxiliary_hidden, 1, None)
        self.activation = torch.tanh if shape.activation == "tanh" else torch.relu
        self._layers: list[StarLinear] = []  # the backbone owns them

    def linear(self, n_in: int, n_out: int, role: Role) -> DomainLinear:
        if role == "cross" and not self.config.star_cross:
            return super().linear(n_in, n_out, role)
        layer = StarLinear(
            n_in, n_out, is_hidden=role == "hidden", shape=self.shape, groups=self.groups
        )
        self._layers.append(layer)
        return layer

    def transform(self, n: int, place: Place) -> DomainTransform | None:
        if place == "hidden" or not self.config.partitioned_norm:
            return None
        return PartitionedNorm(n, self.config, self.shape, self.groups)

    def auxiliary_logit(self, context: DomainContext) -> Tensor | None:
        known = context.x_0 if self.config.auxiliary_input == "all" else context.e_d
        hidden = self.activation(self.auxiliary_hidden(known, context))
        return self.auxiliary_out(hidden, context).squeeze(1)  # (B, 1) -> (B,)

    def penalty(self) -> Tensor | None:
        groups = self.groups.last
        if not self.config.factor_l2 or groups is None:
            return None
        share = groups.counts / groups.counts.sum()  # (U,)
        distances = [
            (share * (layer.own_weight(groups.ids) - 1.0).square().sum(dim=(1, 2))).sum()
            for layer in self._layers
        ]
        return self.config.factor_l2 / 2 * torch.stack(distances).sum()


METHOD = MethodEntry(config=StarConfig, build=Star)
