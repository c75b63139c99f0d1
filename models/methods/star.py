"""STAR: every domain has its own factors of the shared weights, and its own normalisation.

The domains are the values of one representative domain column, the task ids (AdaSparse, footnote
4), except where a study says otherwise.

Paper: Sheng et al.: One model to serve all: star topology adaptive recommender for multi-domain CTR
    prediction, CIKM 2021, arXiv 2101.11427, section 3; as AdaSparse (arXiv 2206.13108) uses it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal, get_args

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from models.config_values import check_at_least, check_choices, check_values
from models.facts import Facts
from models.interfaces import (
    AffineLinear,
    Choice,
    Claim,
    DomainLinear,
    DomainMethod,
    DomainTransform,
    MethodEntry,
    Range,
    tuned,
)
from models.layers.factors import map_by_factors
from models.layers.grouping import OfLastIds
from models.layers.padded_groups import grouped
from models.layers.tables import DomainTable

if TYPE_CHECKING:
    from typing import Protocol

    from models.interfaces import DomainContext, ModelShape, Place, Role
    from models.layers.grouping import RowGroups

    LastGroups = OfLastIds[RowGroups]

    class SavedNorm(Protocol):
        """The values that one pass leaves for its backward pass."""

        groups: RowGroups
        saved_tensors: tuple[Tensor, ...]

        def save_for_backward(self, *tensors: Tensor) -> None: ...


ALL_ROWS = 0  # the row of the statistics of all rows; as an id, a domain unseen in train
AuxiliaryInput = Literal["all", "domain"]
NormPlace = Literal["input", "tower"]


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
        groups: RowGroups,
    ) -> Tensor:
        ctx.save_for_backward(z, mean, inverse_std, is_own, scale)
        ctx.groups = groups
        factor = scale * inverse_std  # (U, d)
        summand = torch.addcmul(shift, mean, factor, value=-1.0)
        return groups.add_products(groups.spread(summand), z, factor)

    @staticmethod
    @once_differentiable
    def backward(ctx: SavedNorm, grad: Tensor) -> tuple[Tensor | None, ...]:
        z, mean, inverse_std, is_own, scale = ctx.saved_tensors
        groups = ctx.groups
        grad_shift = groups.sum(grad)  # (U, d)
        grad_scale = (groups.sum(grad, z) - mean * grad_shift) * inverse_std
        factor = scale * inverse_std
        # d z = factor (d y - mean of d y - z' mean of d y z'), z' the standardised rows
        share = (is_own / groups.counts.clamp(min=1)).unsqueeze(
            1
        )  # (U, 1), 0 where statistics are constants
        of_z = -factor * inverse_std * grad_scale * share
        constant = -factor * grad_shift * share - mean * of_z
        grad_z = groups.add_products(groups.spread(constant), grad, factor)
        groups.add_products(grad_z, z, of_z)
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

    def __init__(self, n: int, shape: ModelShape, config: StarConfig, groups: LastGroups) -> None:
        """Make the normalisation of n values; `groups` finds the rows of each task."""
        super().__init__()
        self.config = config
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
        self.gamma.fill_((self.first_std**2 + self.config.variance_floor) ** 0.5)
        self.beta.zero_()

    def forward(self, h: Tensor, context: DomainContext) -> Tensor:
        groups = self.groups(context.task_id)
        with torch.no_grad():
            is_own = self._is_whole(groups.counts) & (groups.ids != ALL_ROWS) & self.training
            mean, var = self._statistics(h, groups, is_own)
        normalised: Tensor = Standardise.apply(
            h,
            mean,
            torch.rsqrt(var + self.config.variance_floor),
            is_own,
            self.gamma * self.own_gamma(groups.ids),
            self.beta + self.own_beta(groups.ids),
            groups,
        )
        return normalised

    def _is_whole(self, rows: Tensor) -> Tensor:
        """True where so many rows (U,) of a domain give statistics of their own."""
        return rows >= self.config.min_rows

    def _statistics(self, h: Tensor, groups: RowGroups, is_own: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance (U, d) of the domains; in training the running ones move."""
        if not self.training:
            mean, var = self._running(groups.ids).unbind(1)
            return mean, var
        counts = groups.counts.unsqueeze(1)  # (U, 1)
        rows = counts.clamp(min=1)  # of ids that are left over there are none
        mean = groups.sum(h) / rows
        var = groups.sum((h - groups.spread(mean)).square_()) / rows
        share = counts / len(h)
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
        step = self.config.momentum * (rows / self.config.min_rows).clamp(max=1.0).to(mean.dtype)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class StarConfig:
    """Normalisation, auxiliary network, and where the factors are.

    Raises:
        ValueError: a value is out of its range.
    """

    partitioned_norm: bool = True
    norm_place: NormPlace = "input"  # of all of the backbone, or of its deep tower alone
    variance_floor: float = 1e-3  # eps of the normalisation
    momentum: float = tuned(0.05, Choice((0.01, 0.05, 0.1)))  # of the running statistics
    min_rows: int = 16  # a domain with fewer in the batch is normalised by running statistics
    auxiliary_hidden: int = tuned(32, Choice((16, 32, 64)))
    auxiliary_input: AuxiliaryInput = tuned("all", Choice(("all", "domain")))  # x_0, or e_d alone
    star_cross: bool = False  # factors in the full-rank cross layers of DCNv2 too
    factor_l2: float = tuned(0.0, Range(low=1e-8, high=1e-3, log=True))  # weight of (W_p - 1)^2

    def __post_init__(self) -> None:
        check_values(self)
        check_choices(
            self, norm_place=get_args(NormPlace), auxiliary_input=get_args(AuxiliaryInput)
        )
        check_at_least(self, 2, "min_rows")
        check_at_least(self, 1, "auxiliary_hidden")
        check_at_least(self, 0, "factor_l2")
        if self.variance_floor <= 0.0:
            raise ValueError(f"variance_floor must be positive, got {self.variance_floor}")
        if not 0.0 < self.momentum <= 1.0:
            raise ValueError(f"momentum must be in (0, 1], got {self.momentum}")


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
        self,
        n_in: int,
        n_out: int,
        *,
        is_hidden: bool,
        has_penalty: bool,
        shape: ModelShape,
        groups: LastGroups,
    ) -> None:
        """Make a map that the activation of `shape` follows if `is_hidden`.

        With `has_penalty` a training pass leaves its sum_p (rows of p / rows) |W_p - 1|^2 as
        `distance`.
        """
        super().__init__(n_in, n_out, shape.activation if is_hidden else None)
        self.has_penalty = has_penalty
        self.distance: Tensor | None = None  # of the last pass
        self.own_weight = DomainTable(shape, (n_out, n_in), 1.0)
        self.own_bias = DomainTable(shape, (n_out,), 0.0)
        self.groups = groups

    def forward(self, h: Tensor, context: DomainContext) -> Tensor:
        groups = self.groups(context.task_id)
        share = None
        if self.has_penalty and self.training:
            share = groups.counts.to(h) / len(h)  # (U,)
        own = (self.own_weight, self.own_bias)
        mapped, self.distance = map_by_factors(h, self.affine, own, groups, share)
        return mapped


class AuxiliaryLogit(AffineLinear):
    """The last map of the auxiliary network.

    Equation: s_a = h_a w + b; STAR, section 3.4.
    Shapes: h_a (B, H), w (H,), s_a (B, 1).
    Deviation: it starts at zero, so that the first logits are those of the shared network alone.
    """

    def initialise(self, generator: torch.Generator) -> None:
        """Zero weights and bias."""
        nn.init.zeros_(self.affine.weight)
        nn.init.zeros_(self.affine.bias)


class Star(DomainMethod):
    """Star-topology layers, partitioned normalisation, and an auxiliary network.

    Equation: p_ctr = sigma(s_m + s_a), s_m the logit of the star network and s_a that of a small
        network which is the same for all domains; STAR, section 3.4.
    Shapes: s_m, s_a (B,); the auxiliary network reads x_0 (B, d) or e_d (B, E_d), and its hidden
        layer has `auxiliary_hidden` values.
    Deviation: the auxiliary network reads x_0, whose head are the domain fields; reports differ on
        whether the original reads the domain fields alone, which `auxiliary_input="domain"` does.
    Deviation: the paper has no branches, so the place of the normalisation on DCNv2 is ours: x_0
        before both branches, or with `norm_place="tower"` the deep tower's input alone, as public
        code of STAR on DCN does; on a stacked DCNv2 that is x_Lc. On DNN the two are one.
    Deviation: on DCNv2 the cross layers are shared, unless `star_cross` (full-rank ones only).
    Deviation: `factor_l2` adds factor_l2 / 2 sum_l sum_p (rows of p / rows) |W_p^l - 1|^2 over the
        domains of a batch: a decay towards the shared network, not towards zero.
    """

    def __init__(self, config: StarConfig, shape: ModelShape) -> None:
        super().__init__(shape)
        self.config = config
        self.groups: LastGroups = OfLastIds(partial(grouped, num_ids=shape.num_tasks))
        n_in = shape.n_input if config.auxiliary_input == "all" else shape.n_domain
        self.auxiliary_hidden = AffineLinear(n_in, config.auxiliary_hidden, shape.activation)
        self.auxiliary_out = AuxiliaryLogit(config.auxiliary_hidden, 1, None)
        self.activation = torch.tanh if shape.activation == "tanh" else torch.relu
        self._layers: list[StarLinear] = []  # the backbone owns them
        self._norms: list[PartitionedNorm] = []  # likewise

    def linear(self, n_in: int, n_out: int, role: Role, index: int) -> DomainLinear:
        if role == "cross" and not self.config.star_cross:
            return super().linear(n_in, n_out, role, index)
        layer = StarLinear(
            n_in,
            n_out,
            is_hidden=role == "hidden",
            has_penalty=self.config.factor_l2 > 0.0,
            shape=self.shape,
            groups=self.groups,
        )
        self._layers.append(layer)
        return layer

    def transform(self, n: int, place: Place, index: int) -> DomainTransform | None:
        if place != self.config.norm_place or not self.config.partitioned_norm:
            return None
        norm = PartitionedNorm(n, self.shape, self.config, self.groups)
        self._norms.append(norm)
        return norm

    @property
    def reads_e_d(self) -> bool:
        return self.config.auxiliary_input == "domain"

    def auxiliary_logit(self, context: DomainContext) -> Tensor | None:
        known = context.x_0 if self.config.auxiliary_input == "all" else context.e_d
        hidden = self.activation(self.auxiliary_hidden(known, context))
        return self.auxiliary_out(hidden, context).squeeze(1)  # (B, 1) -> (B,)

    def penalty(self) -> Tensor | None:
        distances = [layer.distance for layer in self._layers if layer.distance is not None]
        if not distances:
            return None
        return self.config.factor_l2 / 2 * torch.stack(distances).sum()

    def diagnostics(self) -> dict[str, Tensor]:
        """The share of the tasks of train that has running statistics of its own.

        `whole_statistics` is the share that ever had `min_rows` rows in a batch, without which
        training never normalises by a batch.
        """
        recorded = {}
        for norm in self._norms:  # one at most
            recorded["own_statistics"] = _share(norm.updates)
            recorded["whole_statistics"] = _share(norm.whole_updates)
        return recorded


def _share(updates: Tensor) -> Tensor:
    """Share of the tasks seen in train that were updated."""
    return (updates[ALL_ROWS + 1 :] > 0).float().mean()


METHOD = MethodEntry(
    config=StarConfig,
    build=Star,
    facts=Facts(
        title="STAR",
        paper="Sheng et al.: One model to serve all: star topology adaptive recommender for"
        " multi-domain CTR prediction, CIKM 2021, arXiv 2101.11427",
        published="2021-01",
        family="individual",
        in_table_1=True,
        colour="#009e73",
        marker="^",
        pin_titles={"partitioned_norm False": "no partitioned normalisation"},
    ),
    claim=Claim(text="O(D N_l N_{l+1})", of_layer=lambda config, n, m: n * m),
)
