"""MMoE: experts that all domains share, and a gate of each domain's own that mixes them.

The domains are the values of one representative domain column, the task ids (AdaSparse, footnote
4), except where a study says otherwise.

Paper: Ma et al.: Modeling task relationships in multi-task learning with multi-gate
    mixture-of-experts, KDD 2018, doi 10.1145/3219819.3220007.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import torch
from torch import Tensor, nn

from models.config_values import check_at_least, check_choices, check_values
from models.facts import Facts
from models.interfaces import Choice, DomainLinear, DomainMethod, DomainTower, MethodEntry, tuned
from models.layers.experts import (
    ExpertStack,
    HiddenOutput,
    check_depth,
    expert_widths,
    mix,
    start_gain,
)
from models.layers.own_maps import OwnMaps

if TYPE_CHECKING:
    from models.interfaces import DomainContext, ModelShape, Role

GateReads = Literal["task", "e_d"]
ExpertWidth = Literal["divided", "full"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MmoeConfig:
    """The experts, and what tells their gate the domain.

    `gate` is a map of x of each task's own (`task`), or one map of [x ; e_d] (`e_d`). Experts have
    the widths of the protocol's hidden layers `divided` by their number, or in `full`.

    Raises:
        ValueError: a value is out of its range.
    """

    num_experts: int = tuned(8, Choice((2, 4, 8)))  # E
    gate: GateReads = tuned("task", Choice(("task", "e_d")))
    expert_width: ExpertWidth = tuned("divided", Choice(("divided", "full")))

    def __post_init__(self) -> None:
        check_values(self)
        check_at_least(self, 1, "num_experts")
        check_choices(self, gate=get_args(GateReads), expert_width=get_args(ExpertWidth))

    def widths(self, shape: ModelShape) -> tuple[int, ...]:
        """The hidden layers of an expert: those of the protocol but the last."""
        if self.expert_width == "full":
            return shape.hidden_dims[:-1]
        return expert_widths(shape, self.num_experts)


class EmbeddingGate(DomainLinear):
    """The gate by the embeddings of the domain-aware fields, before the softmax.

    Equation: [x ; e_d] W + b.
    Shapes: x (B, n), e_d (B, E_d), W (E, n + E_d), b (E,).
    Deviation: W and b start at zero.
    """

    def __init__(self, n_in: int, n_domain: int, num_experts: int) -> None:
        super().__init__()
        self.affine = nn.Linear(n_in + n_domain, num_experts)

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Zeros: the same weight of every expert."""
        self.affine.weight.zero_()
        self.affine.bias.zero_()

    def forward(self, h: Tensor, context: DomainContext) -> Tensor:
        logits: Tensor = self.affine(torch.cat([h, context.e_d], dim=1))  # (B, E)
        return logits


class MixtureTower(DomainTower):
    """Experts, their mixture by the gate of a row's task, and a hidden layer of the task's own.

    Equation: z = sum_i g_i f_i(x), g = softmax(x W_p + b_p) or softmax([x ; e_d] W + b),
        h = act(z V_p + c_p) for a row of the task p.
    Shapes: x (B, n), f_i(x) and z (B, N_e), g (B, E), W_p (D, E, n), V_p (D, N_last, N_e).
    Deviation: gates have a bias, and start at zero: all experts have the weight 1 / E.
    Deviation: V_p starts larger than another layer, since a mean of E experts is small: by as much
        as gives h the scale of the plain network's.
    """

    def __init__(self, n_in: int, config: MmoeConfig, shape: ModelShape, maps: OwnMaps) -> None:
        """Make a tower whose own maps are of `maps`."""
        super().__init__()
        widths, num_experts, n_last = (
            config.widths(shape),
            config.num_experts,
            shape.hidden_dims[-1],
        )
        self.experts = ExpertStack(n_in, widths, num_experts, shape)
        self.gate = (
            maps.linear(n_in, num_experts, None, gain=0.0)
            if config.gate == "task"
            else EmbeddingGate(n_in, shape.n_domain, num_experts)
        )
        gain = start_gain(
            widths[-1],
            n_last,
            shape.activation,
            whole=(shape.hidden_dims[-2], n_last),
            num_mixed=num_experts,
        )
        self.own = maps.linear(widths[-1], n_last, shape.activation, gain=gain)
        self.output = HiddenOutput(shape)

    def weights(self, h: Tensor, context: DomainContext) -> Tensor:
        """The weights (B, E) of the experts, which sum to 1 in every row."""
        return torch.softmax(self.gate(h, context), dim=1)

    def forward(self, h: Tensor, context: DomainContext) -> Tensor:
        mixed = mix(self.weights(h, context), self.experts(h))  # (B, N_e)
        last: Tensor = self.output(self.own(mixed, context))  # (B, N_last)
        return last


class Mmoe(DomainMethod):
    """Experts in place of the lower hidden layers; the last one and the logit are tasks' own.

    Equation: logit = h w_p + b_p for a row of the task p, h of `MixtureTower`.
    Shapes: h (B, N_last), w_p (D, N_last), the logit (B,).
    Deviation: tasks are domains, of which a row has one, where the paper's rows have all tasks: the
        gate, the last hidden layer and the logit of that one alone are computed.
    Deviation: experts and own layers have the depth and, divided, about the size of the protocol's
        network, so that methods differ by more than their capacity. With `full` widths, which are
        usual, the experts cost E times as much.
    Deviation: a gate by e_d is our option, for tasks with few rows.
    Deviation: all tasks start from one draw; one unseen in train has the mean of all tasks' gates,
        layers and logits, each weighted by its rows in training.
    Deviation: on DCNv2 the cross layers are shared. Experts and gates read what the deep tower
        does, and the map of [x_Lc ; h] to the logit is the task's own.
    """

    def __init__(self, config: MmoeConfig, shape: ModelShape) -> None:
        """Make the method.

        Raises:
            ValueError: there is no hidden layer below the last one.
        """
        super().__init__(shape)
        check_depth(shape, 2)
        self.config = config
        self.maps = OwnMaps(shape)

    def tower(self, n_in: int) -> DomainTower:
        return MixtureTower(n_in, self.config, self.shape, self.maps)

    def linear(self, n_in: int, n_out: int, role: Role, index: int) -> DomainLinear:
        if role == "logit":
            return self.maps.linear(n_in, n_out, None)
        return super().linear(n_in, n_out, role, index)

    @property
    def reads_e_d(self) -> bool:
        return self.config.gate == "e_d"


METHOD = MethodEntry(
    config=MmoeConfig,
    build=Mmoe,
    facts=Facts(
        title="MMoE",
        paper="Ma et al.: Modeling task relationships in multi-task learning with multi-gate"
        " mixture-of-experts, KDD 2018, doi 10.1145/3219819.3220007",
        published="2018-07",
        family="individual",
    ),
)
