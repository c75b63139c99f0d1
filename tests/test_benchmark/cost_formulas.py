"""Multiply-adds of a forward pass in closed form, for the backbones and methods that come along.

They count products of matrices and nothing else: no elementwise work (activations, gates, the
products W * W_p of STAR, normalisation), no bias, no embedding gather. A method describes its part
by the hooks of `models.interfaces.DomainMethod`, a backbone adds the parts up, as in the models.

Symbols as in `models.interfaces`: d width of x_0, N and M a layer's input and output, K the rank of
APG's core, E_d width of e_d.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from models.registry import load_backbone, load_method

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmark.config import RunConfig
    from models.backbones.dcnv2 import DCNv2Config
    from models.backbones.dnn import DNNConfig
    from models.ctr_model import CTRModel
    from models.interfaces import ModelShape, Place, Role
    from models.methods.adasparse import AdaSparseConfig
    from models.methods.apg import ApgConfig
    from models.methods.mmoe import MmoeConfig
    from models.methods.pepnet import PepNetConfig
    from models.methods.star import StarConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Multiply-adds by what they are done once for."""

    row: int = 0
    domain: int = 0  # for every different domain of a batch

    def __add__(self, other: Work) -> Work:
        return Work(row=self.row + other.row, domain=self.domain + other.domain)

    def of(self, rows: int, domains: int) -> int:
        """Those of a batch with so many rows of so many different domains."""
        return self.row * rows + self.domain * domains


NOTHING = Work()


class PlainWork:
    """One product per affine map: N M. The networks of single domains are such networks too."""

    def __init__(self, shape: ModelShape) -> None:
        self.shape = shape

    def linear(self, n_in: int, n_out: int, role: Role) -> Work:
        """An affine map of this place."""
        return Work(row=n_in * n_out)

    def transform(self, n: int, place: Place) -> Work:
        """What is done with x_0, with what the deep tower reads, or with a hidden output."""
        return NOTHING

    def tower(self) -> Work | None:
        """The deep tower, where it is the method's own."""
        return None

    def auxiliary(self) -> Work:
        """The network of `auxiliary_logit`."""
        return NOTHING


class AdaSparseWork(PlainWork):
    """N (N + E_d) for a pruner of N values, N N or N E_d where it reads h or e_d alone.

    The first pruner of "both" reads x_0, whose head is e_d, but for a placebo: the two blocks of
    its matrix are added before the product, so that it costs N N, not the N (N + E_d) of the
    paper's concatenation.
    """

    def __init__(self, shape: ModelShape, config: AdaSparseConfig) -> None:
        super().__init__(shape)
        self.config = config

    def transform(self, n: int, place: Place) -> Work:
        """A pruner of n values."""
        if place == "tower" or (place == "input" and not self.config.prune_input):
            return NOTHING
        reads = self.config.pruner_input
        if reads == "e_d":
            return Work(row=n * self.shape.n_domain)
        if reads == "h" or (place == "input" and self.shape.has_e_d_in_x_0):
            return Work(row=n * n)
        return Work(row=n * (n + self.shape.n_domain))


class StarWork(PlainWork):
    """The backbone, and n H + H of the auxiliary network with H hidden units."""

    def __init__(self, shape: ModelShape, config: StarConfig) -> None:
        super().__init__(shape)
        self.config = config

    def auxiliary(self) -> Work:
        """Two maps, n -> H -> 1."""
        reads_all = self.config.auxiliary_input == "all"
        n_in = self.shape.n_input if reads_all else self.shape.n_domain
        return Work(row=(n_in + 1) * self.config.auxiliary_hidden)


class ApgWork(PlainWork):
    """N K + K^2 + K M per row for h U S V, and the generation of S from a condition z of width d_z.

    The generation is d_z V for V generated values (K^2, and M of a generated bias), or d_z G + G V
    with G hidden units: once per different domain where z is e_d, per row where z has h in it. The
    factors of an over-parameterisation are multiplied once, ahead of all rows.
    """

    def __init__(self, shape: ModelShape, config: ApgConfig) -> None:
        super().__init__(shape)
        self.config = config

    def linear(self, n_in: int, n_out: int, role: Role) -> Work:
        """(h U) S V, where APG is used."""
        if role == "logit" or (role == "cross" and not self.config.apg_cross):
            return super().linear(n_in, n_out, role)
        rank = self.config.rank(n_in, n_out)
        product = (n_in + rank + n_out) * rank
        generation = self._generation(n_in, rank * rank + n_out * self.config.generate_bias)
        if self.config.condition == "e_d":
            return Work(row=product, domain=generation)
        return Work(row=product + generation)

    def _generation(self, n_in: int, n_values: int) -> int:
        width = {"e_d": 0, "both": n_in, "h": n_in}[self.config.condition]
        width += 0 if self.config.condition == "h" else self.shape.n_domain
        hidden = self.config.generator_hidden
        return width * n_values if hidden is None else (width + n_values) * hidden


class MmoeWork(PlainWork):
    """E times the layers of an expert, n E or (n + E_d) E of the gate, and the last hidden layer.

    The experts' sum by their weights is no product of matrices here.
    """

    def __init__(self, shape: ModelShape, config: MmoeConfig) -> None:
        super().__init__(shape)
        self.config = config

    def tower(self) -> Work:
        """Experts, their gate, and the layer above them."""
        n_input, num_experts = self.shape.n_input, self.config.num_experts
        n_gate = n_input + self.shape.n_domain * (self.config.gate == "e_d")
        widths = (n_input, *self.config.widths(self.shape))
        of_expert = sum(n_in * n_out for n_in, n_out in pairwise(widths))
        last = widths[-1] * self.shape.hidden_dims[-1]
        return Work(row=num_experts * (of_expert + n_gate) + last)


class PepNetWork(PlainWork):
    """H n for the gates of n values, which have H hidden units.

    The hidden units are (E_d + d) H of EPNet, and (P K + d) H for each gate of PPNet.
    """

    def __init__(self, shape: ModelShape, config: PepNetConfig) -> None:
        super().__init__(shape)
        self.config = config

    def transform(self, n: int, place: Place) -> Work:
        """The gates of a place; the hidden layers of PPNet are counted before the tower."""
        shape, width = self.shape, self.config.gate_hidden
        if not (self.config.epnet if place == "input" else self.config.ppnet):
            return NOTHING
        read = {
            "input": shape.n_domain + shape.n_input,
            "tower": (shape.n_prior + shape.n_input) * (1 + len(shape.hidden_dims)),
            "hidden": 0,
        }
        return Work(row=width * (read[place] + n))


def dnn_work(config: DNNConfig, method: PlainWork) -> Work:
    """Sum of N_l N_{l+1} over the hidden layers, and N_4 of the logit."""
    n_input, n_last = method.shape.n_input, method.shape.hidden_dims[-1]
    return method.transform(n_input, "input") + _tower(method) + method.linear(n_last, 1, "logit")


def dcnv2_work(config: DCNv2Config, method: PlainWork) -> Work:
    """Cross layers, hidden layers, and the logit: over d + N_4 in parallel, N_4 stacked.

    A cross layer is d^2 (full), 2 d r (lowrank), or E (2 d r + r^2 + d) (moe).
    """
    d = method.shape.n_input
    r = config.rank_for(d)
    work = method.transform(d, "input") + _tower(method)
    for _ in range(config.num_cross_layers):
        if config.cross == "full":
            work += method.linear(d, d, "cross")
        elif config.cross == "lowrank":
            work += Work(row=2 * d * r)
        else:
            work += Work(row=config.num_experts * (2 * d * r + r * r + d))
    n_last = method.shape.hidden_dims[-1] + (d if config.structure == "parallel" else 0)
    return work + method.linear(n_last, 1, "logit")


def _tower(method: PlainWork) -> Work:
    if (own := method.tower()) is not None:
        return own
    widths = (method.shape.n_input, *method.shape.hidden_dims)
    work = method.transform(method.shape.n_input, "tower")
    for n_in, n_out in pairwise(widths):
        work += method.linear(n_in, n_out, "hidden") + method.transform(n_out, "hidden")
    return work


METHODS: dict[str, Callable[..., PlainWork]] = {
    "adasparse": AdaSparseWork,
    "apg": ApgWork,
    "finetune": lambda shape, config: PlainWork(shape),
    "maml": lambda shape, config: PlainWork(shape),
    "mmoe": MmoeWork,
    "pepnet": PepNetWork,
    "plain": lambda shape, config: PlainWork(shape),
    "separate": lambda shape, config: PlainWork(shape),
    "shared_bottom": lambda shape, config: PlainWork(shape),
    "star": StarWork,
}
BACKBONES: dict[str, Callable[..., Work]] = {
    "dcnv2": dcnv2_work,
    "dnn": dnn_work,
}


def work_of(config: RunConfig, model: CTRModel) -> Work:
    """The formula of a configuration and its model.

    Beside backbone and method it has M K for the mean over a bag of M slots.
    """
    method_config = load_method(config.method).config(**config.method_config)
    backbone_config = load_backbone(config.backbone).config(**config.backbone_config)
    method = METHODS[config.method](model.method.shape, method_config)
    pooling = Work(row=sum(model.embedding.bag_lengths) * model.embedding.embedding_dim)
    return BACKBONES[config.backbone](backbone_config, method) + method.auxiliary() + pooling
