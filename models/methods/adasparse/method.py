"""AdaSparse: every domain prunes the shared network with its own weighting factors.

Paper: Yang et al.: AdaSparse: learning adaptively sparse structures for multi-domain click-through
    rate prediction, CIKM 2022, arXiv 2206.13108, sections 3 and 4.1.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch
from torch import Tensor, nn

from models.config_values import check_values
from models.facts import Facts
from models.interfaces import (
    Choice,
    Claim,
    DomainMethod,
    DomainTransform,
    MethodEntry,
    Range,
    tuned,
)
from models.methods.adasparse.gating import FORMS, PrunedLayer

if TYPE_CHECKING:
    from collections.abc import Collection

    from models.interfaces import DomainContext, ModelShape, Place
    from models.methods.adasparse.gating import Form, StraightThrough


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaSparseConfig:
    """Form of the weighting factors, schedules and sparsity penalty.

    Raises:
        ValueError: a value is out of its range.
    """

    form: Form = "fusion"
    straight_through: StraightThrough = tuned("gate", Choice(("gate", "pass")))
    pruner_input: Literal["both", "e_d", "h"] = "both"  # eq. 3: both
    prune_input: bool = True  # x_0 too, beside the hidden outputs
    beta: float = 2.0  # eq. 6, 8
    threshold: float = 0.25  # epsilon, eq. 5, 8
    alpha_start: float = 0.1  # eq. 4, 8
    alpha_max: float = tuned(5.0, Choice((3.0, 5.0, 10.0)))
    penalty: Literal["band", "l1"] = "band"  # eq. 9-10, or lambda-hat |pi|_1 / N
    r_scope: Literal["batch", "domain"] = "batch"  # over what r of eq. 9 is taken
    sparsity_bounds: tuple[float, float] = (0.15, 0.25)  # [r_min, r_max], eq. 9, 10
    penalty_weight_start: float = 0.01  # lambda-hat, eq. 10
    penalty_weight_max: float = tuned(3.0, Range(low=3.0, high=30.0, log=True))
    ramp_epochs: float = tuned(
        0.6, Choice((0.3, 0.6, 1.0))
    )  # T_r: how long alpha and lambda-hat rise

    def __post_init__(self) -> None:
        check_values(self)
        _check_choice("form", self.form, FORMS)
        _check_choice("straight_through", self.straight_through, ("gate", "pass", "none"))
        _check_choice("pruner_input", self.pruner_input, ("both", "e_d", "h"))
        _check_choice("penalty", self.penalty, ("band", "l1"))
        _check_choice("r_scope", self.r_scope, ("batch", "domain"))
        if self.beta < 1.0:
            raise ValueError(f"beta must be at least 1, got {self.beta}")
        if not 0.0 <= self.threshold < 1.0:
            raise ValueError(f"threshold must be in [0, 1), got {self.threshold}")
        if not 0.0 < self.alpha_start <= self.alpha_max:
            raise ValueError(
                f"alpha must satisfy 0 < start <= max, got {self.alpha_start}, {self.alpha_max}"
            )
        low, high = self.sparsity_bounds
        if not 0.0 <= low <= high < 1.0:
            raise ValueError(
                f"sparsity_bounds must satisfy 0 <= r_min <= r_max < 1, got {low}, {high}"
            )
        if not 0.0 <= self.penalty_weight_start <= self.penalty_weight_max:
            raise ValueError(
                "penalty_weight must satisfy 0 <= start <= max, got"
                f" {self.penalty_weight_start}, {self.penalty_weight_max}"
            )
        if self.ramp_epochs <= 0.0:
            raise ValueError(f"ramp_epochs must be positive, got {self.ramp_epochs}")


class TrainingPass(NamedTuple):
    """What a pruner keeps of its last pass in training mode, with the graph of the pass."""

    sparsity: Tensor  # (B,), of each row
    share: Tensor  # (B, N), pi / gain
    domain_id: Tensor  # (B,)


class Pruner(DomainTransform):
    """The domain-aware pruner of one layer.

    Equation: v = W_p [e_d ; h] + c, pi = S_epsilon(v), h(d) = h * pi; eq. 2 to 8.
    Shapes: the two blocks of W_p are (N, E_d) and (N, N), so that nothing is concatenated.
    Deviation: a bias c, which the paper omits "for simplification"; it starts at zero.
    Deviation: kept neurons are not rescaled for the pruned ones.
    Deviation: the paper gives no initial values; they are Xavier-uniform over W_p as a whole.
    """

    alpha: Tensor
    weight_domain: nn.Parameter | None
    weight_layer: nn.Parameter | None

    def __init__(self, n: int, n_domain: int, config: AdaSparseConfig, *, holds_e_d: bool) -> None:
        """Make a pruner for n values; `holds_e_d` says that e_d is their head."""
        super().__init__()
        reads = config.pruner_input
        self.finds_e_d_in_h = holds_e_d and reads == "both"
        self.weight_domain = nn.Parameter(torch.zeros(n, n_domain)) if reads != "h" else None
        self.weight_layer = nn.Parameter(torch.zeros(n, n)) if reads != "e_d" else None
        self.bias = nn.Parameter(torch.zeros(n))
        self.gating = FORMS[config.form](config.beta, config.threshold, config.straight_through)
        self.register_buffer("alpha", torch.tensor(config.alpha_start))
        self.trained: TrainingPass | None = None
        self.share: Tensor | None = None  # (B, N), pi / gain of the last pass in eval mode

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Xavier-uniform over both blocks of W_p together, zero bias."""
        blocks: list[Tensor] = [
            block for block in (self.weight_domain, self.weight_layer) if block is not None
        ]
        whole = torch.cat(blocks, dim=1)  # (N, E_d + N)
        nn.init.xavier_uniform_(whole, generator=generator)
        widths = [block.shape[1] for block in blocks]
        for block, values in zip(blocks, whole.split(widths, dim=1), strict=True):
            block.copy_(values)
        self.bias.zero_()

    def forward(self, h: Tensor, context: DomainContext) -> Tensor:
        pruned, share, sparsity = PrunedLayer.apply(
            h,
            None if self.finds_e_d_in_h else context.e_d,
            self.weight_layer,
            self.weight_domain,
            self.bias,
            self.alpha.item(),
            self.gating,
        )
        if self.training:
            self.trained = TrainingPass(sparsity, share, context.domain_id)
            self.share = None
        else:
            self.share = share.detach()
        return pruned

    def __getstate__(self) -> dict[str, object]:
        """Copies leave behind what the last pass recorded."""
        return self.__dict__ | {"trained": None, "share": None}


class AdaSparse(DomainMethod):
    """Prunes x_0 and every hidden output, and holds the share of pruned neurons in a band.

    `layer0` names x_0 and `layer1`, `layer2`, ... the hidden outputs.

    Equation: R = mean_l lambda_l |r_l - r|, with r = (r_min + r_max) / 2, and lambda_l = 0 inside
        the band, else lambda-hat |r_l - r|; eq. 9, 10.
    Shapes: R, lambda_l, r_l and lambda-hat (); per domain, lambda_l and r_l are (D,) for the D
        domains of a batch.
    Deviation: lambda_l is a weight, no gradient flows through it. r_l counts shut gates, since
        |pi|_1 counts ones for Binarization alone. Scaling has no gates, so no penalty.
    Deviation: r_l is taken over the batch, or with `r_scope="domain"` over each domain's rows in
        it, the penalties of the domains being weighted by their rows. `penalty="l1"` is what
        section 3.2 found unable to hit a ratio: R = lambda-hat mean_l |pi^l|_1 / N_l.
    Deviation: the shapes of the schedules are not given; alpha and lambda-hat rise linearly for
        `ramp_epochs` of an epoch, then stay.
    """

    penalty_weight: Tensor

    def __init__(self, config: AdaSparseConfig, shape: ModelShape) -> None:
        super().__init__(shape)
        self.config = config
        self.register_buffer("penalty_weight", torch.tensor(config.penalty_weight_start))
        self._pruners: dict[str, Pruner] = {}  # the backbone owns them
        self._num_hidden = 0

    def transform(self, n: int, place: Place) -> DomainTransform | None:
        if place == "tower" or (place == "input" and not self.config.prune_input):
            return None
        self._num_hidden += place == "hidden"
        holds_e_d = place == "input" and self.shape.has_e_d_in_x_0
        pruner = Pruner(n, self.shape.n_domain, self.config, holds_e_d=holds_e_d)
        self._pruners[f"layer{0 if place == 'input' else self._num_hidden}"] = pruner
        return pruner

    def penalty(self) -> Tensor | None:
        passes = [p.trained for p in self._pruners.values() if p.trained is not None]
        if not passes:
            return None
        if self.config.penalty == "l1":
            gain = next(iter(self._pruners.values())).gating.gain
            sizes = torch.stack([done.share.mean() for done in passes])  # (L',)
            return self.penalty_weight * gain * sizes.mean()
        if self.config.form == "scaling":
            return None
        sparsity = torch.stack([done.sparsity for done in passes])  # (L', B)
        if self.config.r_scope == "batch":
            return self._outside_band(sparsity.mean(dim=1)).mean()
        ids, rows, counts = passes[0].domain_id.unique(return_inverse=True, return_counts=True)
        sums = sparsity.new_zeros(len(passes), len(ids)).index_add(1, rows, sparsity)  # (L', D)
        shares = counts / len(rows)  # (D,)
        return (self._outside_band(sums / counts) * shares).sum(dim=1).mean()

    def _outside_band(self, sparsity: Tensor) -> Tensor:
        """lambda_l |r - r_mid|, elementwise."""
        low, high = self.config.sparsity_bounds
        distance = (sparsity - (low + high) / 2).abs()
        outside = (sparsity < low) | (sparsity > high)
        weight = self.penalty_weight * distance.detach() * outside  # eq. 10
        return weight * distance  # eq. 9

    @property
    def schedule_epochs(self) -> float:
        return self.config.ramp_epochs

    @torch.no_grad()
    def after_step(self, progress: float) -> None:
        config, share = self.config, min(1.0, progress / self.config.ramp_epochs)
        alpha = config.alpha_start + (config.alpha_max - config.alpha_start) * share
        for pruner in self._pruners.values():
            pruner.alpha.fill_(alpha)
        span = config.penalty_weight_max - config.penalty_weight_start
        self.penalty_weight.fill_(config.penalty_weight_start + span * share)

    @torch.no_grad()
    def diagnostics(self) -> dict[str, Tensor]:
        """Of the last training batch the ratio r_l, its spread and the fractional factors.

        `sparsity_spread/<layer>` is the standard deviation of the ratio over the batch's domains,
        each weighted by its rows; `fractional/<layer>` the share of factors that are neither 0 nor
        1, which is 0 for Binarization.
        """
        alpha = next(iter(self._pruners.values())).alpha
        recorded = {"alpha": alpha.clone(), "penalty_weight": self.penalty_weight.clone()}
        for name, pruner in self._pruners.items():
            if pruner.trained is not None:
                sparsity, share, domain_id = pruner.trained
                recorded[f"sparsity/{name}"] = sparsity.mean()
                recorded[f"sparsity_spread/{name}"] = _spread(sparsity, domain_id)
                factor = share * pruner.gating.gain
                recorded[f"fractional/{name}"] = ((factor != 0) & (factor != 1)).float().mean()
            if pruner.share is not None:
                recorded[f"{name}/factor"] = pruner.share * pruner.gating.gain
                recorded[f"{name}/gate"] = pruner.gating.gates(pruner.share)
        return recorded


def _spread(values: Tensor, domain_id: Tensor) -> Tensor:
    """Standard deviation over the domains, weighted by rows, of the domains' means; values (B,)."""
    _, rows, counts = domain_id.unique(return_inverse=True, return_counts=True)
    means = values.new_zeros(len(counts)).index_add_(0, rows, values) / counts  # (D,)
    return (means[rows] - values.mean()).square().mean().sqrt()


def _check_choice(name: str, value: str, allowed: Collection[str]) -> None:
    if value not in tuple(allowed):  # whatever it is, hashable or not
        raise ValueError(f"unknown {name} {value!r}; allowed: {', '.join(allowed)}")


METHOD = MethodEntry(
    config=AdaSparseConfig,
    build=AdaSparse,
    facts=Facts(
        title="AdaSparse",
        paper="Yang et al.: AdaSparse: learning adaptively sparse structures for multi-domain"
        " click-through rate prediction, CIKM 2022, arXiv 2206.13108",
        published="2022-06",
        family="generated",
        in_table_1=True,
        colour="#d55e00",
        marker="*",
        pin_titles={
            "pruner_input h": "pruner reads h only",
            "alpha_start 5.0": "alpha 5",
            "alpha_max 5.0": "from the start",
            "penalty l1": "l1 penalty",
            "penalty_weight_max 0.1": "weight 0.1",
            "penalty_weight_max 0.01": "weight 0.01",
            "straight_through pass": "straight-through pass",
            "straight_through none": "no straight-through",
            "r_scope domain": "sparsity ratio by domain",
            "prune_input False": "x_0 not pruned",
            "form binarization": "Binarization",
            "form scaling": "Scaling",
            "form fusion": "Fusion",
            "sparsity_bounds": "sparsity in [{:g}, {:g}]",
        },
    ),
    reads_tasks=False,
    blind_pins={"pruner_input": "h"},
    claim=Claim(text="O(D N_l)", of_layer=lambda config, n, m: n),
)
