"""The deep tower and a linear map of x_0, added up."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models.facts import Facts
from models.interfaces import Backbone, BackboneEntry, DomainContext, DomainMethod, ModelShape
from models.layers.tower import make_tower, optional_modules


@dataclass(frozen=True, slots=True, kw_only=True)
class WideConfig:
    """Nothing to choose."""


class Wide(Backbone):
    """Hidden layers and a linear map side by side.

    Paper: Cheng et al.: Wide and deep learning for recommender systems, DLRS 2016.
    Equation: logit = [x_0 ; h^4] w + b.
    Shapes: x_0 (B, d), h^4 (B, N_4), w (d + N_4,).
    Deviation: the linear map reads embeddings, not one-hot codes.
    """

    def __init__(self, shape: ModelShape, method: DomainMethod) -> None:
        super().__init__()
        self.inputs = optional_modules([method.transform(shape.n_input, "input", 0)])
        self.tower = make_tower(shape.n_input, shape, method)
        self.logit = method.linear(shape.n_input + shape.hidden_dims[-1], 1, "logit", 0)

    def forward(self, context: DomainContext) -> Tensor:
        x = self.inputs[0](context.x_0, context)
        h = self.tower(x, context)
        return self.logit(torch.cat([x, h], dim=1), context).squeeze(1)


def build(config: WideConfig, shape: ModelShape, method: DomainMethod) -> Backbone:
    """The backbone with the protocol's sizes."""
    return Wide(shape, method)


BACKBONE = BackboneEntry(
    config=WideConfig, build=build, facts=Facts(title="Wide and deep", published="2016-06")
)
