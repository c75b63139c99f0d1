"""Cross layers of DCNv2: full rank, low rank, and a mixture of low-rank experts.

Only the full-rank layer has an affine map that a method may replace (`DomainMethod.linear` with the
role `cross`). The factors of the other two are the backbone's own, shared by all domains whatever
the method: they are one structured map already, not a pair of layers that a method could make.

Paper: Wang et al., DCN V2, WWW 2021, arXiv 2008.13535, sections 3.1 and 3.3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from models.interfaces import DomainContext, DomainLinear


class FullCross(nn.Module):
    """Equation: x_{l+1} = x_0 * (x_l W + b) + x_l."""

    def __init__(self, linear: DomainLinear) -> None:
        super().__init__()
        self.linear = linear

    def forward(self, x: Tensor, x_0: Tensor, context: DomainContext) -> Tensor:
        return torch.addcmul(x, x_0, self.linear(x, context))  # (B, d)


class LowRankCross(nn.Module):
    """Equation: x_{l+1} = x_0 * (x_l V U^T + b) + x_l. Shapes: V, U (d, r)."""

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
