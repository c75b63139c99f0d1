"""Really pruned networks: what AdaSparse leaves for one domain, compiled into a smaller network.

Where the pruners read e_d alone, all rows of a domain share their weighting factors pi. A pruned
neuron then leaves the matrices before and after it, and the factor of a kept one is multiplied into
the matrix after it, so that no pruner is left to run. A coordinate of x_0 that is pruned is zero in
every cross layer (`models.backbones.dcnv2`) and leaves those too.

    predictor = CompactPredictor(model.eval())    # a batch to logits, a network per domain
    network = compile_domain(model.eval(), e_d)   # of one domain, x_0 to logits
    network.kept, network.multiply_adds           # neurons of x_0 and of each layer; per row

Paper: Yang et al.: AdaSparse: learning adaptively sparse structures for multi-domain click-through
    rate prediction, CIKM 2022, arXiv 2206.13108, section 3.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from models.backbones.dcnv2 import DCNv2, FullCross, LowRankCross, MixtureCross
from models.backbones.dnn import DNN
from models.interfaces import AffineLinear, DomainContext, DomainTransform
from models.layers.tower import Tower, Unchanged
from models.methods.adasparse import AdaSparse, PrunedLayer, Pruner

if TYPE_CHECKING:
    from datasets.loader import Batch
    from models.ctr_model import CTRModel

BACKBONES = ("dnn", "dcnv2")  # that can be compiled


class CompactNetwork(nn.Module):
    """The network of one domain without its pruned neurons: x_0 (B, d) to logits (B,).

    It is the backbone itself on narrower layers, with the weights as they were when it was
    compiled, to predict with and not to train. It is wrong for rows of any other domain. `kept` are
    the widths of x_0 and of every hidden layer.
    """

    def __init__(self, backbone: DNN | DCNv2, kept: tuple[int, ...]) -> None:
        super().__init__()
        self.backbone = backbone
        self.kept = kept

    def forward(self, x_0: Tensor) -> Tensor:
        """x_0 (B, d) to logits (B,)."""
        nothing = x_0.new_empty(0)  # no layer that is left reads ids or e_d
        logits: Tensor = self.backbone(DomainContext(nothing, nothing, nothing, x_0))
        return logits

    @property
    def multiply_adds(self) -> int:
        """The multiply-adds of a row: every entry of a matrix is used once."""
        return sum(values.numel() for values in self.parameters() if values.ndim > 1)


class CompactPredictor:
    """Predicts the rows of a batch by the compact networks of their domains.

    A domain is compiled when it first occurs. It is a tuple of values of the domain fields: those
    unseen in train share an id but have each its own e_d, so each its own network. The weights of
    the model must not change afterwards.
    """

    def __init__(self, model: CTRModel) -> None:
        """Take a trained model in eval mode.

        Raises:
            ValueError: it has no network per domain, see `compile_domain`.
        """
        _backbone_of(model)
        self.model = model
        self.networks: dict[tuple[int, ...], CompactNetwork] = {}  # by the codes of the fields

    @torch.no_grad()
    def __call__(self, batch: Batch) -> Tensor:
        """Logits (B,)."""
        _backbone_of(self.model)
        domains, inverse, counts = torch.unique(
            batch.domain_codes, dim=0, return_inverse=True, return_counts=True
        )
        order = torch.argsort(inverse, stable=True)  # (B,)
        x_0, e_d = (part[order] for part in self.model.embedding(batch))  # domain by domain
        logits = x_0.new_empty(len(batch))
        start = 0
        for domain, count in zip(domains.tolist(), counts.tolist(), strict=True):
            rows = slice(start, start + count)
            logits[order[rows]] = self._network(tuple(domain), e_d[start])(x_0[rows])
            start += count
        return logits

    def _network(self, domain: tuple[int, ...], e_d: Tensor) -> CompactNetwork:
        if domain not in self.networks:
            self.networks[domain] = compile_domain(self.model, e_d)
        return self.networks[domain]


@torch.no_grad()
def compile_domain(model: CTRModel, e_d: Tensor) -> CompactNetwork:
    """Compile a model in eval mode for rows with the domain embeddings e_d (E_d,).

    The logits are the model's but for rounding. A value that is within rounding of the threshold
    may be pruned in one and kept in the other, as in two batches of the model.

    Raises:
        ValueError: the model is not AdaSparse with `pruner_input="e_d"`, or not on a backbone that
            can be compiled, or in training mode; or e_d has another shape.
    """
    source, shape = _backbone_of(model), model.method.shape
    if e_d.shape != (shape.n_domain,):
        raise ValueError(
            f"e_d must be the domain embeddings of one row, of shape ({shape.n_domain},), got"
            f" {tuple(e_d.shape)}"
        )
    widths = (shape.n_input, *shape.hidden_dims)
    transforms = (source.inputs[0], *_tower(source).transforms)
    kept = [_kept(transform, n, e_d) for transform, n in zip(transforms, widths, strict=True)]
    backbone = _narrow(source, kept)
    _affine(backbone.logit).bias.add_(model.base_logit)
    network = CompactNetwork(backbone, tuple(len(layer.indices) for layer in kept))
    return network.requires_grad_(False).eval()


def _backbone_of(model: CTRModel) -> DNN | DCNv2:
    method, backbone = model.method, model.backbone
    if type(method) is not AdaSparse:
        raise ValueError(
            f"a network per domain needs the method AdaSparse with pruner_input='e_d', got"
            f" {type(method).__name__}, which prunes nothing by domain"
        )
    if method.config.pruner_input != "e_d":
        read = {"both": "e_d and the layer's values h", "h": "the layer's values h"}
        raise ValueError(
            f"the pruners read {read[method.config.pruner_input]}"
            f" (pruner_input={method.config.pruner_input!r}), so that every row has masks of its"
            " own; a network per domain needs a model trained with pruner_input='e_d'"
        )
    if type(backbone) is not DNN and type(backbone) is not DCNv2:
        raise ValueError(
            f"the backbone {type(backbone).__name__} cannot be compiled; allowed: DNN, DCNv2"
        )
    if model.training:
        raise ValueError(
            "the model is in training mode, where its masks still move; call model.eval() first"
        )
    return backbone


@dataclass(frozen=True, slots=True)
class _Kept:
    """The neurons that one layer keeps, and their weighting factors."""

    indices: Tensor  # (K,)
    factor: Tensor  # (K,)


def _kept(transform: nn.Module, n: int, e_d: Tensor) -> _Kept:
    factor = e_d.new_ones(1, n)
    if isinstance(transform, Pruner):
        factor, _, _ = PrunedLayer.apply(  # 1 * pi
            factor,
            e_d.unsqueeze(0),
            None,
            transform.weight_domain,
            transform.bias,
            transform.alpha,
            transform.gating,
        )
    indices = factor[0].nonzero().squeeze(1)  # (K, 1) -> (K,)
    return _Kept(indices, factor[0, indices])


class _KeptInput(DomainTransform):
    """Takes x_0 (B, d) to its kept coordinates (B, K), times their factors if they are given."""

    indices: Tensor
    factor: Tensor | None

    def __init__(self, indices: Tensor, factor: Tensor | None) -> None:
        super().__init__()
        self.register_buffer("indices", indices)
        self.register_buffer("factor", factor)

    def forward(self, h: Tensor, context: DomainContext) -> Tensor:
        kept = h.index_select(1, self.indices)
        return kept if self.factor is None else kept * self.factor


def _narrow(source: DNN | DCNv2, kept: list[_Kept]) -> DNN | DCNv2:
    """A copy of a backbone that has these neurons only, in x_0 and in the hidden layers."""
    pruners = (*source.inputs, *_tower(source).transforms)
    backbone = copy.deepcopy(source, {id(pruner): Unchanged() for pruner in pruners})
    n_input = _affine(_tower(source).layers[0]).in_features
    x_0 = below = kept[0]
    if isinstance(source.inputs[0], Pruner):
        factor = x_0.factor if isinstance(backbone, DCNv2) else None  # cross layers read x_0 itself
        backbone.inputs[0] = _KeptInput(x_0.indices, factor)
    if isinstance(backbone, DCNv2):
        x_0 = below = _Kept(x_0.indices, torch.ones_like(x_0.factor))
        for layer in backbone.cross:
            _narrow_cross(layer, x_0)
    for i, above in enumerate(kept[1:]):
        _narrow_affine(_tower(backbone).layers[i], above.indices, below)
        below = above
    if isinstance(backbone, DCNv2) and backbone.is_parallel:  # the logit reads [x_Lc ; h]
        indices = torch.cat([x_0.indices, n_input + below.indices])
        below = _Kept(indices, torch.cat([x_0.factor, below.factor]))
    _narrow_affine(backbone.logit, slice(None), below)
    return backbone


def _narrow_cross(layer: nn.Module, kept: _Kept) -> None:
    if isinstance(layer, FullCross):
        _narrow_affine(layer.linear, kept.indices, kept)
    elif isinstance(layer, (LowRankCross, MixtureCross)):
        layer.restrict(kept.indices)


def _narrow_affine(layer: nn.Module, outputs: Tensor | slice, inputs: _Kept) -> None:
    """Keep these outputs and inputs, the inputs' factors multiplied into the weights."""
    affine = _affine(layer)
    weight = affine.weight[outputs][:, inputs.indices] * inputs.factor  # (out, in)
    affine.weight, affine.bias = nn.Parameter(weight), nn.Parameter(affine.bias[outputs])
    affine.out_features, affine.in_features = weight.shape


def _tower(backbone: DNN | DCNv2) -> Tower:
    assert isinstance(backbone.tower, Tower)  # AdaSparse makes no other
    return backbone.tower


def _affine(layer: nn.Module) -> nn.Linear:
    assert isinstance(layer, AffineLinear)  # AdaSparse makes no other
    return layer.affine
