"""PEPNet: gates scale the embeddings by domain, and the hidden units by user and item.

Paper: Chang et al.: PEPNet: parameter and embedding personalized network for infusing with
    personalized prior information, KDD 2023, arXiv 2302.01115.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from models.config_values import check_at_least, check_values
from models.facts import Facts
from models.interfaces import (
    Choice,
    DomainMethod,
    DomainTransform,
    MethodEntry,
    draw_weight,
    tuned,
)

if TYPE_CHECKING:
    from models.interfaces import DomainContext, ModelShape, Place

GAMMA = 2.0  # a gate is in (0, gamma)


@dataclass(frozen=True, slots=True, kw_only=True)
class PepNetConfig:
    """The two networks of gates, and the width and the start of a gate's hidden layer.

    Raises:
        ValueError: a value is of a wrong type or out of its range.
    """

    epnet: bool = True  # gates on the embeddings, by domain
    ppnet: bool = True  # gates on what each layer of the deep tower reads, by prior columns
    gate_hidden: int = tuned(32, Choice((16, 32, 64, 128)))  # H
    hidden_scale: float = tuned(0.3, Choice((0.1, 0.3, 1.0)))  # of its values before training

    def __post_init__(self) -> None:
        check_values(self)
        check_at_least(self, 1, "gate_hidden")
        if not self.hidden_scale > 0.0:
            raise ValueError(f"hidden_scale must be above 0, got {self.hidden_scale}")


class GateHidden(nn.Module):
    """The hidden layers of gates that read the same values, all in one product.

    Equation: u_g = relu([v, sg(x)] W1_g + b1_g) for the gate g of G; the first half of a Gate NU.
    Shapes: v (B, V), x (B, d), W1 (G H, V + d), b1 (G H,), u_g (B, H).
    Deviation: the paper gives no initial values; b1 is zero, and W1 is He-uniform times a factor by
        which the root mean square of u starts at `hidden_scale`, whatever that of the embeddings.
        Under He's values alone, and embeddings that start near zero, gates hardly move in an epoch.
    """

    def __init__(
        self, n_given: int, shape: ModelShape, config: PepNetConfig, *, num_gates: int
    ) -> None:
        super().__init__()
        self.sizes, self.width = [n_given, shape.n_input], config.gate_hidden
        self.factor = config.hidden_scale / shape.embedding_std
        self.weight = nn.Parameter(torch.zeros(num_gates * self.width, sum(self.sizes)))
        self.bias = nn.Parameter(torch.zeros(num_gates * self.width))

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Scaled He-uniform weights, zero biases."""
        draw_weight(self.weight, "relu", generator)
        self.weight.mul_(self.factor)
        self.bias.zero_()

    def forward(self, given: Tensor, x: Tensor) -> tuple[Tensor, ...]:
        """The hidden values (B, H) of each gate, from v and x; x gets no gradient."""
        of_given, of_x = torch.split(self.weight, self.sizes, dim=1)
        hidden = torch.addmm(self.bias, x.detach(), of_x.T)  # (B, G H)
        return torch.split(torch.addmm(hidden, given, of_given.T).relu(), self.width, dim=1)


class GatedLayer(DomainTransform):
    """The values of a layer times a gate each.

    Equation: h * gamma sigmoid(u W2 + b2), gamma = 2; the second half of a Gate NU.
    Shapes: h (B, N), u (B, H), W2 (N, H), b2 (N,).
    Deviation: W2 and b2 start at zero, so that every gate starts at 1: the network starts as the
        plain one. The paper gives no initial values.
    """

    def __init__(self, n: int, width: int, handed: list[Tensor]) -> None:
        """Make the gates of n values; the last of `handed` are their hidden values in a pass."""
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(n, width))
        self.bias = nn.Parameter(torch.zeros(n))
        self.handed = handed

    def initialise(self, generator: torch.Generator) -> None:
        """Zeros: gates of 1."""
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)

    def gated(self, h: Tensor, hidden: Tensor) -> Tensor:
        """Scale h by gates from their hidden values."""
        gate = torch.addmm(self.bias, hidden, self.weight.T).sigmoid()  # (B, N)
        return h * (GAMMA * gate)

    def forward(self, h: Tensor, context: DomainContext) -> Tensor:
        """Gate h by the hidden values that came."""
        return self.gated(h, self.handed.pop())


class EmbeddingGates(GatedLayer):
    """The gates on the embeddings: EPNet.

    Equation: x' = G_ep([e_d, sg(x)]) * x.
    Shapes: x (B, d), e_d (B, E_d).
    Deviation: e_d is all that is known of a domain; the paper adds statistics of user and item in
        it. Without domains the gates read sg(x) alone.
    """

    def __init__(self, shape: ModelShape, config: PepNetConfig, handed: list[Tensor]) -> None:
        super().__init__(shape.n_input, config.gate_hidden, handed)
        self.is_followed = config.ppnet
        self.hidden = GateHidden(shape.n_domain, shape, config, num_gates=1)

    def forward(self, h: Tensor, context: DomainContext) -> Tensor:
        """Gate x_0, and hand x' to PPNet."""
        (hidden,) = self.hidden(context.e_d, h)
        gated = self.gated(h, hidden)
        if self.is_followed:
            self.handed[:] = [gated.detach()]
        return gated


class FirstGates(GatedLayer):
    """The gates of PPNet on what the deep tower reads, with the hidden values of all its gates.

    Equation: h' = G_pp^1([prior, sg(x')]) * h.
    Shapes: h (B, N), prior (B, P K), x' (B, d).
    """

    def __init__(
        self, n: int, shape: ModelShape, config: PepNetConfig, handed: list[Tensor]
    ) -> None:
        super().__init__(n, config.gate_hidden, handed)
        self.prior_of, self.follows_epnet = shape.prior_of, config.epnet
        num_gates = 1 + len(shape.hidden_dims)
        self.hidden = GateHidden(shape.n_prior, shape, config, num_gates=num_gates)

    def forward(self, h: Tensor, context: DomainContext) -> Tensor:
        """Gate h, and hand their hidden values to the other gates."""
        x = self.handed.pop() if self.follows_epnet else context.x_0
        first, *others = self.hidden(self.prior_of(context.x_0), x)
        self.handed[:] = reversed(others)
        return self.gated(h, first)


class PepNet(DomainMethod):
    """Gates on the embeddings (EPNet), and on what every layer of the deep tower reads (PPNet).

    Equation: x' = G_ep([e_d, sg(x)]) * x, h'^l = G_pp^l([prior, sg(x')]) * h^l; a gate is
        G(v) = gamma sigmoid(relu(v W1 + b1) W2 + b2).
    Shapes: x, x' (B, d), e_d (B, E_d), prior (B, P K), h^l (B, N_l).
    Deviation: the width of a gate's hidden layer, which the paper does not give, is the same for
        all gates and searched, as is the scale of its values at the start.
    Deviation: there is one tower, since there is one label; the paper has one for each of several.
    Deviation: the prior columns are those that the log names, or its three largest; they are never
        domain columns.
    Deviation: the layers whose input PPNet gates are the hidden ones and that of the logit, the
        paper's l = 1 to L. On DCNv2 the deep tower's alone are; stacked it reads x_Lc, and the
        gates read x' there too.
    """

    def __init__(self, config: PepNetConfig, shape: ModelShape) -> None:
        super().__init__(shape)
        self.config = config
        self.handed: list[Tensor] = []  # from gate to gate of a pass, empty after it

    def transform(self, n: int, place: Place, index: int) -> GatedLayer | None:
        config = self.config
        if place == "input":
            return EmbeddingGates(self.shape, config, self.handed) if config.epnet else None
        if not config.ppnet:
            return None
        if place == "tower":
            return FirstGates(n, self.shape, config, self.handed)
        return GatedLayer(n, config.gate_hidden, self.handed)

    @property
    def reads_e_d(self) -> bool:
        return self.config.epnet


METHOD = MethodEntry(
    config=PepNetConfig,
    build=PepNet,
    facts=Facts(
        title="PEPNet",
        paper="Chang et al.: PEPNet: parameter and embedding personalized network for infusing"
        " with personalized prior information, KDD 2023, arXiv 2302.01115",
        published="2023-02",
        family="generated",
    ),
    reads_tasks=False,
    reads_prior=True,
)
