"""The plain deep network, DNN."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.facts import Facts
from models.interfaces import Backbone, BackboneEntry
from models.layers.tower import make_tower, optional_modules

if TYPE_CHECKING:
    from torch import Tensor

    from models.interfaces import DomainContext, DomainMethod, ModelShape


@dataclass(frozen=True, slots=True, kw_only=True)
class DNNConfig:
    """Nothing to choose: the sizes are the protocol's."""


class DNN(Backbone):
    """Hidden layers on the embeddings, then one affine map to the logit.

    Paper: Covington, Adams, Sargin: Deep neural networks for YouTube recommendations, RecSys 2016,
        doi 10.1145/2959100.2959190; as in AdaSparse (arXiv 2206.13108), section 3.
    Equation: h^{l+1} = act(h^l W^l + b^l), logit = h^4 w_o + b_o; AdaSparse, eq. 1.
    Shapes: h^1 = x_0 (B, d), h^l (B, N_l), W^l (N_l, N_{l+1}), w_o (N_4,), the logit (B,).
    Deviation: "three layers" are read as three hidden layers; the logit is a fourth map.
    Deviation: the pyramid of layers alone is meant, not the retrieval model of the cited paper.
    """

    def __init__(self, config: DNNConfig, shape: ModelShape, method: DomainMethod) -> None:
        super().__init__()
        self.inputs = optional_modules([method.transform(shape.n_input, "input", 0)])
        self.tower = make_tower(shape.n_input, shape, method)
        self.logit = method.linear(shape.hidden_dims[-1], 1, "logit", 0)

    def forward(self, context: DomainContext) -> Tensor:
        h = self.inputs[0](context.x_0, context)  # (B, d)
        return self.logit(self.tower(h, context), context).squeeze(1)  # (B, 1) -> (B,)


BACKBONE = BackboneEntry(
    config=DNNConfig,
    build=DNN,
    facts=Facts(
        title="DNN",
        paper="Covington, Adams, Sargin: Deep neural networks for YouTube recommendations, RecSys"
        " 2016, doi 10.1145/2959100.2959190",
        published="2016-09",
        in_table_1=True,
    ),
)
