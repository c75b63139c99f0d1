"""AdaSparse: every domain prunes the shared network with its own weighting factors.

Paper: Yang et al.: AdaSparse: learning adaptively sparse structures for multi-domain click-through
    rate prediction, CIKM 2022, arXiv 2206.13108, sections 3 and 4.1.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, get_args

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional

from models.config_values import check_at_least, check_choices, check_values
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

if TYPE_CHECKING:
    from models.interfaces import DomainContext, ModelShape, Place

    class SavedGates(Protocol):
        """The values that one pass leaves for its backward pass."""

        gating: Gating
        width: int | None  # E_d where e_d is the head of h
        needs_input_grad: tuple[bool, ...]
        saved_tensors: tuple[Tensor, ...]

        def save_for_backward(self, *tensors: Tensor | None) -> None: ...
        def set_materialize_grads(self, value: bool) -> None: ...


Form = Literal["binarization", "scaling", "fusion"]
StraightThrough = Literal["gate", "pass", "none"]


@dataclass(frozen=True, slots=True)
class Gating:
    """From a pruner's values v to squashed s = sigma(alpha v), and pi = gain * share.

    `share` is s where the gate is open and 0 where it is shut, or for Binarization the gate itself.
    A gate g is 1 where v_out > epsilon and else 0: the paper's sign (footnote 1).

    Deviation: g has no useful gradient, so that neither Binarization nor the sparsity penalty could
        ever train a pruner. `straight_through` says what stands in for it: with `gate` dg := ds, in
        pi and in the sparsity; with `pass` d(pi) := d(v_out), and dg := ds in the sparsity; with
        `none` g is a constant.
    """

    beta: float
    threshold: float
    straight_through: StraightThrough

    @property
    def gain(self) -> float:
        """v_out / s, and pi / share."""
        return self.beta

    @property
    def trains_sparsity(self) -> bool:
        """True if the share of shut gates has a gradient."""
        return self.straight_through != "none"

    @property
    def reads_alpha(self) -> bool:
        """True if alpha is the factor of v before the sigmoid; else that is 1."""
        return True

    def share(self, squashed: Tensor) -> Tensor:
        """Pi / gain (B, N): positive where the gate is open, zero where it is shut."""
        raise NotImplementedError

    def gates(self, share: Tensor) -> Tensor:
        """The gates g (B, N), as 0.0 and 1.0."""
        return share.sign()

    def slope(self, squashed: Tensor, gates: Tensor) -> Tensor | None:
        """The stand-in for d(share) / ds in the backward pass, None for 1; may reuse `gates`."""
        raise NotImplementedError


class Binarization(Gating):
    """Equation: v_out = sigma(alpha v), pi = step(v_out - epsilon); eq. 4, 5."""

    __slots__ = ()

    @property
    def gain(self) -> float:
        return 1.0

    def share(self, squashed: Tensor) -> Tensor:
        return (squashed > self.threshold).to(squashed.dtype)

    def gates(self, share: Tensor) -> Tensor:
        return share

    def slope(self, squashed: Tensor, gates: Tensor) -> Tensor | None:
        return squashed.new_zeros(()) if self.straight_through == "none" else None


class Scaling(Gating):
    """Equation: pi = v_out = beta sigma(v); eq. 6, 7. Every gate is open and alpha has no part."""

    __slots__ = ()

    @property
    def trains_sparsity(self) -> bool:
        return False

    @property
    def reads_alpha(self) -> bool:
        return False

    def share(self, squashed: Tensor) -> Tensor:
        return squashed

    def gates(self, share: Tensor) -> Tensor:
        return torch.ones_like(share)

    def slope(self, squashed: Tensor, gates: Tensor) -> Tensor | None:
        return None


class Fusion(Gating):
    """Equation: v_out = beta sigma(alpha v), pi = v_out step(v_out - epsilon); eq. 8."""

    __slots__ = ()

    def share(self, squashed: Tensor) -> Tensor:
        return functional.threshold(squashed, self.threshold / self.beta, 0.0)

    def slope(self, squashed: Tensor, gates: Tensor) -> Tensor | None:
        if self.straight_through == "pass":
            return None
        if self.straight_through == "none":
            return gates
        return gates.add_(squashed)  # d(s g) = g ds + s dg, dg := ds


FORMS: dict[Form, type[Gating]] = {
    "binarization": Binarization,
    "scaling": Scaling,
    "fusion": Fusion,
}


class PrunedLayer(Function):
    """A layer h (B, N) with its pruner: h * pi (eq. 2), pi / gain, and r (B,): shut gates of a row.

    Equation: v = W_layer h + W_domain e_d + c, then `Gating`. Either matrix may be None. Where e_d
    is the head of h, which is x_0, `e_d` is None and v = (W_layer + [W_domain, 0]) h: one product.

    The backward pass is written out by hand: the gate is a step, whose derivative autograd cannot
    know, and a training step spends much of its time in elementwise passes over these values.
    """

    @staticmethod
    def forward(  # noqa: PLR0913  (autograd has no keywords)
        ctx: SavedGates,
        h: Tensor,
        e_d: Tensor | None,
        weight_layer: Tensor | None,
        weight_domain: Tensor | None,
        bias: Tensor,
        alpha: Tensor,
        gating: Gating,
    ) -> tuple[Tensor, Tensor, Tensor]:
        ctx.gating, ctx.width = gating, None
        if e_d is None and weight_layer is not None and weight_domain is not None:
            ctx.width = weight_domain.shape[1]
            weight_layer = weight_layer.clone()
            weight_layer[:, : ctx.width] += weight_domain
            weight_domain = None
        v = _values(h, e_d, weight_layer, weight_domain, bias)
        squashed = (v.mul_(alpha) if gating.reads_alpha else v).sigmoid_()
        share = gating.share(squashed)
        gates = gating.gates(share)
        sparsity = 1.0 - gates.mean(dim=1)  # (B,)
        if any(ctx.needs_input_grad):
            slope = gating.slope(squashed, gates)
            ctx.save_for_backward(
                h, e_d, weight_layer, weight_domain, alpha, squashed, share, slope
            )
        ctx.set_materialize_grads(False)
        pruned = torch.addcmul(h.new_zeros(()), h, share, value=gating.gain)  # h * pi in one pass
        return pruned, share, sparsity

    @staticmethod
    @once_differentiable
    def backward(
        ctx: SavedGates,
        grad_pruned: Tensor | None,
        grad_share: Tensor | None,
        grad_sparsity: Tensor | None,
    ) -> tuple[Tensor | None, ...]:
        h, e_d, weight_layer, weight_domain, alpha, squashed, share, slope = ctx.saved_tensors
        gain, zero = ctx.gating.gain, h.new_zeros(())
        grad_pruned = torch.zeros_like(h) if grad_pruned is None else grad_pruned
        through_r = zero
        if ctx.gating.trains_sparsity and grad_sparsity is not None:  # dr = -mean(dg), dg := ds
            through_r = grad_sparsity.unsqueeze(1) * (-1.0 / h.shape[1])  # (B, 1)
        left, right = grad_pruned, h
        if grad_share is not None:
            left, right = torch.addcmul(grad_share / gain, left, right), zero + 1.0
        if slope is not None:
            left, right = left * right, slope
        grad_v = torch.addcmul(through_r, left, right, value=gain)
        torch.ops.aten.sigmoid_backward.grad_input(grad_v, squashed, grad_input=grad_v)
        if ctx.gating.reads_alpha:
            grad_v.mul_(alpha)
        grad_h = torch.addcmul(zero, grad_pruned, share, value=gain)
        grad_layer = grad_e_d = grad_domain = None
        if weight_layer is not None:
            grad_h.addmm_(grad_v, weight_layer)
            grad_layer = grad_v.T @ h
        if weight_domain is not None:
            grad_e_d, grad_domain = grad_v @ weight_domain, grad_v.T @ e_d
        elif grad_layer is not None and ctx.width:
            grad_domain = grad_layer[:, : ctx.width].contiguous()
        return grad_h, grad_e_d, grad_layer, grad_domain, grad_v.sum(dim=0), None, None


def _values(
    h: Tensor,
    e_d: Tensor | None,
    weight_layer: Tensor | None,
    weight_domain: Tensor | None,
    bias: Tensor,
) -> Tensor:
    """The pruner's values v (B, N)."""
    v = None
    for values, weight in ((h, weight_layer), (e_d, weight_domain)):
        if values is not None and weight is not None:
            if v is None:
                v = torch.addmm(bias, values, weight.T)
            else:
                v.addmm_(values, weight.T)
    assert v is not None
    return v


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
        check_choices(
            self,
            form=FORMS,
            straight_through=get_args(StraightThrough),
            pruner_input=("both", "e_d", "h"),
            penalty=("band", "l1"),
            r_scope=("batch", "domain"),
        )
        check_at_least(self, 1, "beta")
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
    """The values that a pruner keeps of its last training pass, with the graph of the pass."""

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
            self.alpha,
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

    def transform(self, n: int, place: Place, index: int) -> DomainTransform | None:
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
        domain_id, num_domains = passes[0].domain_id.long(), self.shape.num_domains
        counts = sparsity.new_zeros(num_domains).index_add(
            0, domain_id, torch.ones_like(sparsity[0])
        )  # (D,), 0 where a domain has no row in the batch
        sums = sparsity.new_zeros(len(passes), num_domains).index_add(1, domain_id, sparsity)
        shares = counts / len(domain_id)
        outside = self._outside_band(sums / counts.clamp(min=1.0))  # (L', D)
        return (outside * shares).sum(dim=1).mean()

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
        """The ratio r_l of the last training batch, its spread and the fractional factors.

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
