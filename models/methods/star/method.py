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
from models.layers.domain_table import DomainTable
from models.layers.grouping import LastGroups
from models.methods.star.domain_norm import ALL_ROWS, PartitionedNorm
from models.methods.star.factorised import factorised_map

if TYPE_CHECKING:
    from models.interfaces import DomainContext, ModelShape, Place, Role

AuxiliaryInput = Literal["all", "domain"]
NormPlace = Literal["input", "tower"]


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
        if self.norm_place not in get_args(NormPlace):
            raise ValueError(f"unknown norm_place {self.norm_place!r}; allowed: input, tower")
        if self.variance_floor <= 0.0:
            raise ValueError(f"variance_floor must be positive, got {self.variance_floor}")
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
        self.groups = LastGroups()
        n_in = shape.n_input if config.auxiliary_input == "all" else shape.n_domain
        self.auxiliary_hidden = AffineLinear(n_in, config.auxiliary_hidden, shape.activation)
        self.auxiliary_out = AuxiliaryLogit(config.auxiliary_hidden, 1, None)
        self.activation = torch.tanh if shape.activation == "tanh" else torch.relu
        self._layers: list[StarLinear] = []  # the backbone owns them
        self._norms: list[PartitionedNorm] = []  # likewise

    def linear(self, n_in: int, n_out: int, role: Role) -> DomainLinear:
        if role == "cross" and not self.config.star_cross:
            return super().linear(n_in, n_out, role)
        layer = StarLinear(
            n_in, n_out, is_hidden=role == "hidden", shape=self.shape, groups=self.groups
        )
        self._layers.append(layer)
        return layer

    def transform(self, n: int, place: Place) -> DomainTransform | None:
        if place != self.config.norm_place or not self.config.partitioned_norm:
            return None
        norm = PartitionedNorm(
            n,
            self.shape,
            self.groups,
            momentum=self.config.momentum,
            min_rows=self.config.min_rows,
            variance_floor=self.config.variance_floor,
        )
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
        groups = self.groups.last
        if not self.config.factor_l2 or groups is None:
            return None
        share = groups.counts / groups.counts.sum()  # (U,)
        distances = [
            (share * (layer.own_weight(groups.ids) - 1.0).square().sum(dim=(1, 2))).sum()
            for layer in self._layers
        ]
        return self.config.factor_l2 / 2 * torch.stack(distances).sum()

    def diagnostics(self) -> dict[str, Tensor]:
        """Of the tasks of train the share that has running statistics of its own.

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
