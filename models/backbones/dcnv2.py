"""The deep and cross network, DCNv2: its cross layers, and how they and the tower are wired.

Only the full-rank cross layer has an affine map that a method may replace (`DomainMethod.linear`
with the role `cross`). The factors of the low-rank one and of the mixture of experts are the
backbone's own, shared by all domains whatever the method: they are one structured map already,
not a pair of layers that a method could make.

Paper: Wang et al.: DCN V2: improved deep and cross network and practical lessons for web-scale
    learning to rank systems, WWW 2021, arXiv 2008.13535, sections 3.1 and 3.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from models.config_values import check_at_least, check_choices, check_values
from models.facts import Facts
from models.interfaces import Backbone, BackboneEntry, Choice, Range, tuned
from models.layers.tower import make_tower, optional_modules

if TYPE_CHECKING:
    from models.interfaces import DomainContext, DomainLinear, DomainMethod, ModelShape


class FullCross(nn.Module):
    """A cross layer of full rank.

    Equation: x_{l+1} = x_0 * (x_l W + b) + x_l.
    Shapes: x_0, x_l (B, d), W (d, d), b (d,).
    """

    def __init__(self, linear: DomainLinear) -> None:
        super().__init__()
        self.linear = linear

    def forward(self, x: Tensor, x_0: Tensor, context: DomainContext) -> Tensor:
        return torch.addcmul(x, x_0, self.linear(x, context))  # (B, d)


class LowRankCross(nn.Module):
    """A cross layer of low rank.

    Equation: x_{l+1} = x_0 * (x_l V U^T + b) + x_l.
    Shapes: x_0, x_l (B, d), V, U (d, r), b (d,).
    """

    def __init__(self, n: int, rank: int) -> None:
        super().__init__()
        self.v = nn.Parameter(torch.zeros(n, rank))
        self.u = nn.Parameter(torch.zeros(n, rank))
        self.bias = nn.Parameter(torch.zeros(n))

    def initialise(self, generator: torch.Generator) -> None:
        """Xavier-uniform factors, zero bias."""
        nn.init.xavier_uniform_(self.v, generator=generator)
        nn.init.xavier_uniform_(self.u, generator=generator)
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor, x_0: Tensor, context: DomainContext) -> Tensor:
        return torch.addcmul(x, x_0, torch.addmm(self.bias, x @ self.v, self.u.T))  # (B, d)

    @torch.no_grad()
    def restrict(self, kept: Tensor) -> None:
        """Drop all coordinates but these (K,), which is enough where x_0 is zero in the others."""
        for name in ("v", "u", "bias"):
            setattr(self, name, nn.Parameter(getattr(self, name)[kept]))


class MixtureCross(nn.Module):
    """A softmax-weighted sum of experts with a non-linearity inside their low-rank space.

    Equation: x_{l+1} = x_l + sum_i G_i(x_l) x_0 * (g(g(x_l V_i) C_i) U_i^T + b), g = tanh.
    Shapes: V, U (E, d, r), C (E, r, r) for E experts; the gates G are (B, E).
    Deviation: every layer has its own gates; the paper's notation puts no layer index on them.
    """

    def __init__(self, n: int, rank: int, num_experts: int) -> None:
        super().__init__()
        self.v = nn.Parameter(torch.zeros(num_experts, n, rank))
        self.c = nn.Parameter(torch.zeros(num_experts, rank, rank))
        self.u = nn.Parameter(torch.zeros(num_experts, n, rank))
        self.gate = nn.Parameter(torch.zeros(num_experts, n))
        self.bias = nn.Parameter(torch.zeros(n))
        self.inner = torch.tanh

    def initialise(self, generator: torch.Generator) -> None:
        """Xavier-uniform factors and gates, zero bias."""
        for factors in (self.v, self.c, self.u):
            for expert in factors:
                nn.init.xavier_uniform_(expert, generator=generator)
        nn.init.xavier_uniform_(self.gate, generator=generator)
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor, x_0: Tensor, context: DomainContext) -> Tensor:
        gates = torch.softmax(x @ self.gate.T, dim=1)  # (B, E)
        inside = self.inner(torch.matmul(x, self.v))  # (E, B, r)
        inside = self.inner(torch.bmm(inside, self.c))  # (E, B, r)
        weighted = (inside * gates.T.unsqueeze(2)).transpose(0, 1).flatten(1)  # (B, E r)
        u = self.u.transpose(1, 2).flatten(0, 1)  # (E r, d)
        # The gates sum to one, so the bias leaves the sum.
        return torch.addcmul(x, x_0, torch.addmm(self.bias, weighted, u))  # (B, d)

    @torch.no_grad()
    def restrict(self, kept: Tensor) -> None:
        """Drop all coordinates but these (K,), which is enough where x_0 is zero in the others."""
        for name in ("v", "u", "gate"):
            setattr(self, name, nn.Parameter(getattr(self, name)[:, kept]))
        self.bias = nn.Parameter(self.bias[kept])


@dataclass(frozen=True, slots=True, kw_only=True)
class DCNv2Config:
    """Depth and form of the cross network; the mixture of experts is too costly to be searched.

    Raises:
        ValueError: a value is out of its range.
    """

    num_cross_layers: int = tuned(3, Range(low=1, high=4))
    structure: Literal["parallel", "stacked"] = tuned("parallel", Choice(("parallel", "stacked")))
    cross: Literal["full", "lowrank", "moe"] = tuned("full", Choice(("full", "lowrank")))
    rank: int = tuned(32, Choice((16, 32, 64)))  # of lowrank and moe
    num_experts: int = 4  # of moe

    def __post_init__(self) -> None:
        check_values(self)
        check_at_least(self, 1, "num_cross_layers", "rank", "num_experts")
        check_choices(self, structure=("parallel", "stacked"), cross=("full", "lowrank", "moe"))

    def rank_for(self, n: int) -> int:
        """The rank of a cross layer of width `n`, which no rank can exceed."""
        return min(self.rank, n)


class DCNv2(Backbone):
    """Cross layers beside (parallel) or below (stacked) the hidden layers.

    Paper: Wang et al.: DCN V2: improved deep and cross network and practical lessons for web-scale
        learning to rank systems, WWW 2021, arXiv 2008.13535.
    Equation: x_{l+1} = x_0 * (x_l W_l + b_l) + x_l; parallel: logit = [x_Lc ; h^4] w + b;
        stacked: the tower reads x_Lc, logit = h^4 w + b.
    Shapes: x_0, x_l (B, d), W_l (d, d), b_l (d,); h^l (B, N_l); w (d + N_4,), or (N_4,) stacked.
    Deviation: AdaSparse gives neither depth nor structure; the default is three full-rank layers in
        parallel, and no linear term is added.
    Deviation: x_0 here is what the method's input transform leaves of it. A coordinate that is
        pruned to zero before the branches is zero in every cross layer, so one mask prunes both.
    Deviation: what a method does to the tower's input alone, it does to what the tower reads: to
        x_0 behind the branching in parallel, to x_Lc stacked. The cross layers do not see it.
    Deviation: a `rank` above the width d of a layer is cut to d, not refused, since tuning tries
        the same ranks on data sets of every width.
    """

    def __init__(self, config: DCNv2Config, shape: ModelShape, method: DomainMethod) -> None:
        super().__init__()
        self.inputs = optional_modules([method.transform(shape.n_input, "input", 0)])
        self.cross = nn.ModuleList(
            _cross_layer(config, shape.n_input, method, index)
            for index in range(config.num_cross_layers)
        )
        self.tower = make_tower(shape.n_input, shape, method)
        self.is_parallel = config.structure == "parallel"
        n_last = shape.hidden_dims[-1] + (shape.n_input if self.is_parallel else 0)
        self.logit = method.linear(n_last, 1, "logit", 0)

    def forward(self, context: DomainContext) -> Tensor:
        x_0 = self.inputs[0](context.x_0, context)  # (B, d)
        crossed = x_0
        for layer in self.cross:
            crossed = layer(crossed, x_0, context)  # (B, d)
        h = self.tower(x_0 if self.is_parallel else crossed, context)  # (B, N_last)
        if self.is_parallel:
            h = torch.cat([crossed, h], dim=1)  # (B, d + N_last)
        return self.logit(h, context).squeeze(1)  # (B, 1) -> (B,)


def _cross_layer(config: DCNv2Config, n: int, method: DomainMethod, index: int) -> nn.Module:
    if config.cross == "full":
        return FullCross(method.linear(n, n, "cross", index))
    if config.cross == "lowrank":
        return LowRankCross(n, config.rank_for(n))
    return MixtureCross(n, config.rank_for(n), config.num_experts)


BACKBONE = BackboneEntry(
    config=DCNv2Config,
    build=DCNv2,
    facts=Facts(
        title="DCNv2",
        paper="Wang et al.: DCN V2: improved deep and cross network and practical lessons for"
        " web-scale learning to rank systems, WWW 2021, arXiv 2008.13535",
        published="2020-08",
        in_table_1=True,
    ),
)
