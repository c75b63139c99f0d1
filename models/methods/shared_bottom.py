"""Shared-Bottom: domains share the lower hidden layers, and each has upper ones of its own.

The domains are the values of one representative domain column, the task ids (AdaSparse, footnote
4), except where a study says otherwise.

Paper: Caruana: Multitask learning, Machine Learning 28, 1997, doi 10.1023/A:1007379606734.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.config_values import check_at_least, check_values
from models.facts import Facts
from models.interfaces import Choice, DomainMethod, MethodEntry, tuned
from models.layers.own_maps import OwnMaps

if TYPE_CHECKING:
    from models.interfaces import DomainLinear, ModelShape, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedBottomConfig:
    """The number of hidden layers of each task's own.

    Raises:
        ValueError: it is no integer, or negative.
    """

    own_layers: int = tuned(1, Choice((1, 2, 3)))  # the last ones; 0 is the plain network

    def __post_init__(self) -> None:
        check_values(self)
        check_at_least(self, 0, "own_layers")


class SharedBottom(DomainMethod):
    """The last hidden layers and the logit have weights of each task's own.

    Equation: h^{l+1} = act(h^l W^l + b^l) below, act(h^l W_p^l + b_p^l) in the last `own_layers`
        hidden layers, logit = h^4 w_p + b_p for a row of the task p.
    Shapes: h^l (B, N_l), W^l (N_{l+1}, N_l), W_p^l (D, N_{l+1}, N_l), the logit (B,).
    Deviation: tasks are domains, of which a row has one, where the paper's rows have all tasks.
    Deviation: the depth of the task's own part is searched; the paper has one hidden layer, shared.
    Deviation: all tasks start from one draw, that of the plain network; one unseen in train is
        scored by the mean of all tasks' weights, each weighted by its rows in training.
    Deviation: on DCNv2 the cross layers are shared, and the map of [x_Lc ; h^4] to the logit is the
        task's own.
    """

    def __init__(self, config: SharedBottomConfig, shape: ModelShape) -> None:
        """Make the method.

        Raises:
            ValueError: there are fewer hidden layers than own ones.
        """
        super().__init__(shape)
        num_layers = len(shape.hidden_dims)
        if config.own_layers > num_layers:
            raise ValueError(
                f"own_layers must be from 0 to {num_layers}, the number of hidden layers, got"
                f" {config.own_layers}"
            )
        self.config = config
        self.first_own = num_layers - config.own_layers
        self.maps = OwnMaps(shape)

    def linear(self, n_in: int, n_out: int, role: Role, index: int) -> DomainLinear:
        is_own = index >= self.first_own if role == "hidden" else role == "logit"
        if not is_own or not self.config.own_layers:
            return super().linear(n_in, n_out, role, index)
        return self.maps.linear(n_in, n_out, self.shape.activation if role == "hidden" else None)

    @property
    def reads_e_d(self) -> bool:
        return False


METHOD = MethodEntry(
    config=SharedBottomConfig,
    build=SharedBottom,
    facts=Facts(
        title="Shared-Bottom",
        paper="Caruana: Multitask learning, Machine Learning 28, 1997, doi 10.1023/A:1007379606734",
        published="1997-07",
        family="individual",
    ),
)
