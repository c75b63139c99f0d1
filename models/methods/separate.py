"""Separate: a dense network of each domain's own, over embeddings that all domains share.

The domains are the values of one representative domain column, the task ids (AdaSparse, footnote
4), except where a study says otherwise.

Paper: the baseline "Separate" of Luo et al.: MAMDR: a model agnostic learning framework for
    multi-domain recommendation, ICDE 2023, arXiv 2202.12524.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.facts import Facts
from models.interfaces import DomainMethod, MethodEntry
from models.layers.own_maps import OwnMaps

if TYPE_CHECKING:
    from models.interfaces import DomainLinear, ModelShape, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class SeparateConfig:
    """Nothing to choose: the sizes are the protocol's."""


class Separate(DomainMethod):
    """Every affine map of the backbone has weights of each task's own.

    Equation: h^{l+1} = act(h^l W_p^l + b_p^l), logit = h^4 w_p + b_p for a row of the task p.
    Shapes: h^l (B, N_l), W_p^l (D, N_{l+1}, N_l), the logit (B,).
    Deviation: the embeddings are shared, since tables per task are unaffordable and rare ids would
        have hardly a row in each.
    Deviation: all tasks start from one draw, that of the plain network.
    Deviation: a task unseen in train, of which the paper has none, is scored by the mean of all
        tasks' weights, each weighted by its rows in training.
    Deviation: on DCNv2 the full-rank cross layers are the tasks' own too; the factors of the others
        are the backbone's and shared.
    """

    def __init__(self, config: SeparateConfig, shape: ModelShape) -> None:
        super().__init__(shape)
        self.maps = OwnMaps(shape)

    def linear(self, n_in: int, n_out: int, role: Role, index: int) -> DomainLinear:
        return self.maps.linear(n_in, n_out, self.shape.activation if role == "hidden" else None)

    @property
    def reads_e_d(self) -> bool:
        return False


METHOD = MethodEntry(
    config=SeparateConfig,
    build=Separate,
    facts=Facts(
        title="Separate",
        paper="Luo et al.: MAMDR: a model agnostic learning framework for multi-domain"
        " recommendation, ICDE 2023, arXiv 2202.12524 (its baseline Separate)",
        published="2022-02",
        family="individual",
    ),
)
