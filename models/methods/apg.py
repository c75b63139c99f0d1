"""APG: a row's condition generates the small core of each layer's weight matrix.

Paper: Yan et al.: APG: adaptive parameter generation network for click-through rate prediction,
    NeurIPS 2022, arXiv 2203.16218; as AdaSparse (arXiv 2206.13108), section 4, compares with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import torch
from torch import Tensor, nn

from models.config_values import check_choices, check_values
from models.facts import Facts
from models.interfaces import (
    AffineLinear,
    Choice,
    Claim,
    DomainLinear,
    DomainMethod,
    MethodEntry,
    tuned,
)
from models.layers.grouping import OfLastIds, group_rows
from models.layers.static_shapes import has_static_shapes

if TYPE_CHECKING:
    from typing import Self

    from models.interfaces import Activation, DomainContext, ModelShape, Role
    from models.layers.grouping import Groups

Condition = Literal["both", "e_d", "h"]
BY_ROW = 1 << 19  # measured: batches of 256 at K = 32, of 64 at K = 64
GENERATOR_STD = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class ApgConfig:
    """Sizes of the factors and of the generator, and what the generator reads.

    Raises:
        ValueError: a value is out of its range.
    """

    rank_ratio: float = tuned(0.25, Choice((1 / 16, 1 / 8, 1 / 4, 1 / 2)))  # K / min(N, M)
    over_parameterisation: int | None = None  # P, at least K in every layer; None for none
    generator_hidden: int | None = tuned(None, Choice((None, 32, 64)))  # width of a layer of G
    condition: Condition = tuned("both", Choice(("both", "e_d", "h")))  # z: [e_d ; h], e_d, or h
    generate_bias: bool = tuned(False, Choice((False, True)))  # added to the static bias
    apg_cross: bool = False  # generate the full-rank cross layers of DCNv2 too

    def __post_init__(self) -> None:
        check_values(self)
        if not 0.0 < self.rank_ratio <= 1.0:
            raise ValueError(f"rank_ratio must be in (0, 1], got {self.rank_ratio}")
        for name in ("over_parameterisation", "generator_hidden"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be None or at least 1, got {value}")
        check_choices(self, condition=get_args(Condition))

    def rank(self, n_in: int, n_out: int) -> int:
        """K of a layer: the rounded share of its smaller side, and no less than 2 if that has 2.

        Raises:
            ValueError: P is below K.
        """
        smaller = min(n_in, n_out)
        rank = min(smaller, max(2, round(self.rank_ratio * smaller)))
        inner = self.over_parameterisation
        if inner is not None and inner < rank:
            raise ValueError(
                f"over_parameterisation P must be at least K of every layer, got P = {inner} where"
                f" the layer {n_in} -> {n_out} has K = {rank} (rank_ratio {self.rank_ratio});"
                " raise P, lower rank_ratio, or set P to None"
            )
        return rank


def distinct_conditions(domain_id: Tensor) -> tuple[Groups, Tensor]:
    """Groups of rows of equal e_d, from the domain ids (B,), and a row of each group (U,).

    A row of a domain unseen in train is alone: such rows share an id but not their e_d.
    """
    alone = -1 - torch.arange(len(domain_id), device=domain_id.device)
    groups = group_rows(torch.where(domain_id > 0, domain_id, alone))
    first = [rows[:, 0] for (rows,) in groups.blocks(groups.rows)]
    return groups, torch.cat(first)


class StaticFactor(nn.Module):
    """U or V: a matrix that all rows share, or with P the product of two.

    Equation: U = U_l U_r, V = V_l V_r.
    Shapes: (rows, columns); its factors (rows, P) and (P, columns).
    Deviation: the left factor has the standard deviation s that is due to the whole, the right one
        1 / sqrt(P), so that the product has s as well.
    Deviation: training multiplies the factors with each other in every pass, which at its batch
        sizes is cheaper than two products with the rows.
    """

    def __init__(self, size: tuple[int, int], *, inner: int | None, std: float) -> None:
        """Make a matrix of `size`; `inner` is P and `std` is s."""
        super().__init__()
        rows, columns = size
        self.std = std
        self.left = nn.Parameter(torch.zeros(rows, columns if inner is None else inner))
        self.right = None if inner is None else nn.Parameter(torch.zeros(inner, columns))
        self._folded: tuple[list[int], Tensor] | None = None  # the factors' state, their product

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Normal values."""
        self.left.normal_(0.0, self.std, generator=generator)
        if self.right is not None:
            self.right.normal_(0.0, self.right.shape[0] ** -0.5, generator=generator)

    def forward(self) -> Tensor:
        """The whole (rows, columns); in evaluation it is formed once, until a factor is changed.

        A change that torch does not count, by `left.data`, is noticed after the next `train`.
        """
        if self.right is None:
            return self.left
        factors = (self.left, self.right)
        may_change = self.training or torch.is_grad_enabled()
        if may_change or not all(map(_has_version, factors)):
            return self.left @ self.right
        state = [value for factor in factors for value in (factor.data_ptr(), factor._version)]
        if self._folded is None or self._folded[0] != state:
            self._folded = (state, self.left @ self.right)
        return self._folded[1]

    def train(self, mode: bool = True) -> Self:
        """Set the mode, and forget the product."""
        self._folded = None
        return super().train(mode)

    def __getstate__(self) -> dict[str, object]:
        """Copies form their own product."""
        return self.__dict__ | {"_folded": None}


def _has_version(factor: Tensor) -> bool:
    """True if torch counts the changes of a factor: not of inference tensors or of stand-ins."""
    return isinstance(factor, nn.Parameter) and not factor.is_inference()


class ParameterGenerator(nn.Module):
    """G, from conditions to cores S and, if asked for, biases.

    Equation: [vec(S) ; b_z] = z W_g + c, with a hidden layer act(z W_1 + c_1) in place of z.
    Shapes: z (U, d_z), S (U, K, K), b_z (U, M).
    Deviation: W_g starts from N(0, 0.01^2) and c at [vec(I) ; 0], so that S is nearly the identity.
        A generator without bias and conditions near zero would make S near zero: three such layers
        shrink their input by many orders of magnitude.
    """

    def __init__(
        self, n_condition: int, rank: int, n_bias: int, hidden: AffineLinear | None
    ) -> None:
        super().__init__()
        self.rank, self.n_bias = rank, n_bias
        self.hidden = hidden
        n_last = n_condition if hidden is None else hidden.affine.out_features
        self.weight = nn.Parameter(torch.zeros(rank**2 + n_bias, n_last))
        self.bias = nn.Parameter(torch.zeros(rank**2 + n_bias))

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Nearly the identity for S and nearly zero for the bias; the hidden layer has its own."""
        self.weight.normal_(0.0, GENERATOR_STD, generator=generator)
        self.bias.zero_()
        self.bias[: self.rank**2].view(self.rank, self.rank).fill_diagonal_(1.0)

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        if self.hidden is not None:
            z = self.hidden.affine(z)
            z = torch.relu(z) if self.hidden.activation == "relu" else torch.tanh(z)
        generated = torch.addmm(self.bias, z, self.weight.T)  # (U, K^2 + M)
        core, bias = generated.split((self.rank**2, self.n_bias), dim=1)
        return core.unflatten(1, (self.rank, self.rank)), bias


class ApgLinear(DomainLinear):
    """An affine map of rank K whose core, between two static factors, is generated.

    Equation: ((h U) S(z)) V + b, or with `generate_bias` + b + b_z.
    Shapes: U (N, K), S (B, K, K), V (K, M), b and b_z (M,) and (B, M).
    Deviation: z is [e_d ; h] by default, what AdaSparse's own pruner reads (eq. 3), so that the two
        are compared on the same information. AdaSparse, section 1, has such models fed with the
        domain-aware features, e_d, which is the ablation of both. Where h is x_0 it holds e_d
        already, and [e_d ; h] twice.
    Deviation: no over-parameterisation by default. Its product is one matrix when the model serves,
        so it changes how U and V are trained and not what a layer can express, and the P of the
        paper is not known for these sizes of layers.
    Deviation: by e_d alone one core would do for all rows of a domain. In training, cores up to
        `BY_ROW` values in all are generated row by row all the same, which costs less than to find
        the rows of each domain; on a GPU all are, since finding them would make the host wait. The
        results are the same.
    Deviation: U starts from N(0, 1/N), V from N(0, 1/K) or under relu N(0, 2/K), which keeps the
        scale of the values from layer to layer; b starts at zero.
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        activation: Activation | None,
        *,
        config: ApgConfig,
        shape: ModelShape,
        conditions: OfLastIds[tuple[Groups, Tensor]],
    ) -> None:
        """Make a map that `activation` follows, if any."""
        super().__init__()
        rank, inner = config.rank(n_in, n_out), config.over_parameterisation
        gain = 2.0 if activation == "relu" else 1.0
        self.u = StaticFactor((n_in, rank), inner=inner, std=n_in**-0.5)
        self.v = StaticFactor((rank, n_out), inner=inner, std=(gain / rank) ** 0.5)
        self.bias = nn.Parameter(torch.zeros(n_out))
        self.reads_e_d, self.reads_h = config.condition != "h", config.condition != "e_d"
        n_condition = shape.n_domain * self.reads_e_d + n_in * self.reads_h
        width = config.generator_hidden
        hidden = None if width is None else AffineLinear(n_condition, width, shape.activation)
        n_bias = n_out if config.generate_bias else 0
        self.generator = ParameterGenerator(n_condition, rank, n_bias, hidden)
        self.conditions = conditions

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Zero static bias; the factors and the generator fill themselves."""
        self.bias.zero_()

    def forward(self, h: Tensor, context: DomainContext) -> Tensor:
        low = h @ self.u()  # (B, K)
        is_small = self.training and low.shape[1] * low.numel() <= BY_ROW
        if self.reads_h or is_small or has_static_shapes(h):
            mixed, bias = self._by_row(low, h, context)
        else:
            mixed, bias = self._by_e_d(low, context)
        out = torch.addmm(self.bias, mixed, self.v())  # (B, M)
        return out if bias is None else out + bias

    def _by_row(
        self, low: Tensor, h: Tensor, context: DomainContext
    ) -> tuple[Tensor, Tensor | None]:
        """The rows (B, K) times their core, each row with its own, and generated biases (B, M)."""
        z = h if self.reads_h else context.e_d
        if self.reads_h and self.reads_e_d:
            z = torch.cat([context.e_d, h], dim=1)  # (B, d_z)
        core, bias = self.generator(z)
        mixed = torch.bmm(low.unsqueeze(1), core).squeeze(1)  # (B, 1, K) @ (B, K, K) -> (B, K)
        return mixed, bias if self.generator.n_bias else None

    def _by_e_d(self, low: Tensor, context: DomainContext) -> tuple[Tensor, Tensor | None]:
        """The rows times one core for all rows of equal e_d, and generated biases (B, M)."""
        groups, first = self.conditions(context.domain_id)
        core, bias = self.generator(context.e_d.index_select(0, first))
        blocks = zip(groups.blocks(groups.pad(low)), groups.per_block(core), strict=True)
        mixed = torch.cat(
            [torch.bmm(block, own).flatten(0, 1) for (block,), own in blocks]  # (u * n, K) each
        )
        bias_of_rows = bias.index_select(0, groups.group) if self.generator.n_bias else None
        return groups.unpad(mixed), bias_of_rows


class Apg(DomainMethod):
    """Generates the hidden layers; the logit is static.

    Equation: h^{l+1} = act(((h^l U^l) S^l(z)) V^l + b^l), logit = h^4 w_o + b_o.
    Shapes: h^l (B, N_l), S^l (B, K, K), the logit (B,); U, V and b as in `ApgLinear`.
    Deviation: on DCNv2 the cross layers are static too, unless `apg_cross`, which generates those
        of full rank: x_{l+1} = x_0 * (((x_l U) S(z)) V + b) + x_l.
    Deviation: K limits the rank of a layer, so APG contains the plain network only at
        `rank_ratio` 1.
    """

    def __init__(self, config: ApgConfig, shape: ModelShape) -> None:
        super().__init__(shape)
        self.config = config
        self.conditions = OfLastIds(distinct_conditions)

    def linear(self, n_in: int, n_out: int, role: Role, index: int) -> DomainLinear:
        if role == "logit" or (role == "cross" and not self.config.apg_cross):
            return super().linear(n_in, n_out, role, index)
        return ApgLinear(
            n_in,
            n_out,
            self.shape.activation if role == "hidden" else None,
            config=self.config,
            shape=self.shape,
            conditions=self.conditions,
        )


METHOD = MethodEntry(
    config=ApgConfig,
    build=Apg,
    facts=Facts(
        title="APG",
        paper="Yan et al.: APG: adaptive parameter generation network for click-through rate"
        " prediction, NeurIPS 2022, arXiv 2203.16218",
        published="2022-03",
        family="generated",
        in_table_1=True,
        colour="#e69f00",
        marker="D",
    ),
    reads_tasks=False,
    blind_pins={"condition": "h"},
    claim=Claim(
        text="O(D (N_l K + N_{l+1} K))", of_layer=lambda config, n, m: (n + m) * config.rank(n, m)
    ),
)
