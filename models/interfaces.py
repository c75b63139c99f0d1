"""The seam between backbones and methods: a method makes linear layers, a backbone wires them.

Dimension legend, used in shape comments throughout `models`:

    B rows of a batch        F single-valued fields     M slots of a bag        K embedding size
    d width of x_0           E_d width of e_d           N, N_l width of a layer

Paper symbols (AdaSparse, arXiv 2206.13108) and their names here: e_d `context.e_d`, x_0 = h^1 =
[e_d ; e_a] `context.x_0`, h^l `h`, pi^l `factor`, r^l `sparsity`.

How the methods fit the hooks of `DomainMethod`:

    plain      every default
    AdaSparse  `transform`: a pruner on x_0 and on every hidden output; `penalty`: eq. 9-10;
               `after_step`: alpha and lambda-hat
    STAR       `linear`: shared and per-domain factors by `context.task_id`; `transform("input")`
               or `transform("tower")`: partitioned normalisation; `auxiliary_logit`: the auxiliary
               network on x_0 or e_d
    APG        `linear("hidden")`: generated S between static U and V, the condition read from
               `context.e_d` and h
    MAML       `batches`: task batches by `TrainRows.task_id`; `loss`: that after inner steps over
               `Model.score_with` with the embeddings looked up once; `adapt` and `readapted`:
               theta per task
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Generic, Literal, NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.facts import Facts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from datasets.loader import Batch

Activation = Literal["tanh", "relu"]
Role = Literal["cross", "hidden", "logit"]
Place = Literal["input", "tower", "hidden"]
ConfigT = TypeVar("ConfigT")
ValueT = TypeVar("ValueT")
_SEARCHED = "searched"  # key of the metadata of a field
NO_FACTS = Facts()


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """The numbers from `low` to `high`, integers if both are; `log`: equal chance per factor."""

    low: float
    high: float
    log: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """A choice of one of these values."""

    values: tuple[bool | int | float | str | None, ...]


SearchSpace = dict[str, Range | Choice]


def tuned(default: ValueT, space: Range | Choice) -> ValueT:
    """A field of a config whose value tuning searches in `space`; at most four in a method.

    `default`, the paper's value, is tried first; it may lie outside a range, as 0 does of a
    logarithmic one.

    Raises:
        ValueError: it is none of the choices, or no number where a range is searched.
    """
    is_number = isinstance(default, int | float)
    if not (is_number if isinstance(space, Range) else default in space.values):
        raise ValueError(f"the default {default!r} is not in {space}; add it, or change it")
    searched: ValueT = field(default=default, metadata={_SEARCHED: space})
    return searched


def search_space(config: type) -> SearchSpace:
    """The fields of a config that tuning searches, in their order."""
    return {f.name: f.metadata[_SEARCHED] for f in fields(config) if _SEARCHED in f.metadata}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelShape:
    """Sizes and protocol choices that are the same for every method on a data set."""

    n_input: int  # d, width of x_0
    n_domain: int  # E_d, width of e_d
    has_e_d_in_x_0: bool = True  # as its head; the e_d of a placebo is apart
    embedding_dim: int  # K, width of a field or bag in x_0
    prior: tuple[int, ...] = ()  # numbers of the fields of x_0 that are prior columns
    num_domains: int  # id 0, unseen in train, included
    num_tasks: int  # likewise
    hidden_dims: tuple[int, ...]
    activation: Activation
    dropout: float
    embedding_std: float  # of the embeddings' initial values, the first scale of x_0
    sparse_gradient: bool  # of all tables of which a step looks up some rows

    @property
    def n_prior(self) -> int:
        """The width of the embeddings of the prior columns, P K."""
        return len(self.prior) * self.embedding_dim

    def prior_of(self, x_0: Tensor) -> Tensor:
        """The embeddings of the prior columns in x_0: (B, d) -> (B, P K)."""
        if not self.prior:
            return x_0[:, :0]
        fields = torch.split(x_0, self.embedding_dim, dim=1)  # (B, K) each
        return torch.cat([fields[number] for number in self.prior], dim=1)


class DomainContext(NamedTuple):
    """The facts that a layer may know about the rows it sees."""

    domain_id: Tensor  # (B,)
    task_id: Tensor  # (B,)
    e_d: Tensor  # (B, E_d), embeddings of the domain-aware fields, never masked
    x_0: Tensor  # (B, d), all embeddings, never masked


class DomainLinear(nn.Module):
    """An affine map R^in -> R^out that may depend on the row's domain."""

    def forward(self, h: Tensor, context: DomainContext) -> Tensor:
        """Map (B, in) to (B, out)."""
        raise NotImplementedError


class DomainTransform(nn.Module):
    """A map R^n -> R^n of a layer's values that may depend on the row's domain."""

    def forward(self, h: Tensor, context: DomainContext) -> Tensor:
        """Map (B, n) to (B, n)."""
        raise NotImplementedError


class DomainTower(nn.Module):
    """A stack of layers R^in -> R^last, the deep tower of a backbone, that may depend on domains.

    The last width is that of the last hidden layer of the protocol.
    """

    def forward(self, h: Tensor, context: DomainContext) -> Tensor:
        """Map (B, in) to (B, N_last)."""
        raise NotImplementedError


class AffineLinear(DomainLinear):
    """One affine map for every domain."""

    def __init__(self, n_in: int, n_out: int, activation: Activation | None) -> None:
        """Make a map that `activation` follows, if any."""
        super().__init__()
        self.affine = nn.Linear(n_in, n_out)
        self.activation = activation

    def initialise(self, generator: torch.Generator) -> None:
        """Weights as `draw_weight` draws them; zero bias."""
        draw_weight(self.affine.weight, self.activation, generator)
        nn.init.zeros_(self.affine.bias)

    def forward(self, h: Tensor, context: DomainContext) -> Tensor:
        mapped: Tensor = self.affine(h)
        return mapped


def draw_weight(weight: Tensor, activation: Activation | None, generator: torch.Generator) -> None:
    """Fill a matrix (out, in) He-uniform if relu follows it, else Xavier-uniform."""
    if activation == "relu":
        nn.init.kaiming_uniform_(weight, nonlinearity="relu", generator=generator)
    else:
        nn.init.xavier_uniform_(weight, generator=generator)


class Optimizer(Protocol):
    """The optimiser of the protocol as a method may use it."""

    def zero_grad(self) -> None: ...

    def guard(self, loss: Tensor) -> None:
        """Have no step from here on move anything, if the loss () is nan or infinite."""
        ...

    def step(self) -> None: ...


class Model(Protocol):
    """A CTR model as methods, trainer and evaluator see it; `method` is what it was built with."""

    method: DomainMethod

    def __call__(self, batch: Batch) -> Tensor: ...  # (B,) logits
    def embed(self, batch: Batch) -> DomainContext: ...  # the embedding tables, phi
    def score(self, context: DomainContext) -> Tensor: ...  # (B,) logits: the dense part, theta
    def dense_parameters(self) -> dict[str, nn.Parameter]: ...  # theta, by qualified name
    def score_with(self, theta: Mapping[str, Tensor], context: DomainContext) -> Tensor: ...


class Predictor(Protocol):
    """Maps a batch to logits; in eval mode a row's logit never depends on the other rows."""

    def __call__(self, batch: Batch) -> Tensor: ...


class AdaptedPredictor:
    """A predictor with parameters of its own beside those of the model, as `adapt` may make one."""

    def __call__(self, batch: Batch) -> Tensor:
        """Logits (B,)."""
        raise NotImplementedError

    def tensors(self) -> dict[str, Tensor]:
        """The tensors that it keeps beside the model, by name; all but integers are served."""
        raise NotImplementedError


def check_predictor(model: Model, predictor: Predictor) -> None:
    """Make sure that `adapt` gave something that can be counted and kept.

    Raises:
        TypeError: it is neither the model nor an `AdaptedPredictor`.
    """
    if predictor is not model and not isinstance(predictor, AdaptedPredictor):
        raise TypeError(
            f"adapt() gives a {type(predictor).__name__}; allowed: the model itself, or an"
            " AdaptedPredictor, whose tensors() are kept with the model's weights"
        )


class TrainRows(Protocol):
    """The train split as `batches` and `adapt` see it: ids of every row, and rows on request.

    `epoch` gives all row ids once in random order, by batch, the remainder last.
    """

    batch_size: int
    domain_id: Tensor  # (N,)
    task_id: Tensor  # (N,)

    def __len__(self) -> int: ...
    def batch(self, row_ids: Tensor) -> Batch: ...
    def epoch(self, generator: torch.Generator) -> Iterator[Tensor]: ...  # by batch, each row once


class DomainMethod(nn.Module):
    """One way of sharing parameters across domains. Every hook has a neutral default.

    A method never registers the layers it hands out as its own sub-modules: the backbone owns them.
    """

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.shape = shape

    def linear(self, n_in: int, n_out: int, role: Role, index: int) -> DomainLinear:
        """The affine map for one place of the backbone: number `index` of its role, from 0 on."""
        return AffineLinear(n_in, n_out, self.shape.activation if role == "hidden" else None)

    def transform(self, n: int, place: Place, index: int) -> DomainTransform | None:
        """A map for one place of the backbone.

        `input` is x_0, once and before any branches; `tower` what the deep tower reads, after the
        branches; `hidden` the output of hidden layer number `index`, from 0 on.
        """
        return None

    def tower(self, n_in: int) -> DomainTower | None:
        """A deep tower of the method's own; None for the ordinary stack.

        The ordinary one is of `linear("hidden")` and `transform`s, which the backbone then does not
        ask for; it asks for those of its other parts and for the logit's map as ever.
        """
        return None

    def auxiliary_logit(self, context: DomainContext) -> Tensor | None:
        """A (B,) logit that is added to the backbone's."""
        return None

    @property
    def reads_e_d(self) -> bool:
        """True if any layer may read `context.e_d`; else that of a placebo is not made.

        By default it is true of all but the neutral method.
        """
        return type(self) is not DomainMethod

    def penalty(self) -> Tensor | None:
        """A scalar added to the loss of the last training forward pass; None for nothing."""
        return None

    def after_step(self, progress: float) -> None:
        """Advance schedules; `progress` is optimiser steps done / steps of one epoch.

        Values that change live in buffers: a compiled step follows no other number.
        """

    @property
    def schedule_epochs(self) -> float:
        """The epochs that the schedules of `after_step` run; no checkpoint may be picked before."""
        return 0.0

    def batches(self, rows: TrainRows, generator: torch.Generator) -> Iterator[Tensor]:
        """One epoch of row ids by batch, int64; by default all rows in random order.

        `rows.epoch` fits that order to the log. A method that draws from all rows itself needs
        memory in proportion to them, and rows on disk are slow to read at random.
        """
        return rows.epoch(generator)

    def loss(self, model: Model, batch: Batch) -> Tensor:
        """The cross-entropy of a batch, a scalar without any penalty."""
        return functional.binary_cross_entropy_with_logits(model(batch), batch.label)

    def update(self, model: Model, batch: Batch, optimizer: Optimizer) -> Tensor:
        """One optimiser step; returns the `loss` () of the batch without any penalty.

        On a GPU nothing in it waits for the device: no value is read on the host, and shapes do not
        depend on values. A broken loss or penalty gives nan or infinity, and moves nothing.
        """
        optimizer.zero_grad()
        loss = self.loss(model, batch)
        penalty = self.penalty()
        total, value = loss, loss.detach()
        if penalty is not None:
            total, value = loss + penalty, value + 0.0 * penalty.detach()
        optimizer.guard(total.detach())
        torch.autograd.backward(total)
        optimizer.step()
        return value

    def loss_rows(self, num_rows: int) -> int:
        """The number of rows of a batch in the loss of `update`; each counts as a visit."""
        return num_rows

    @property
    def passes_per_visit(self) -> float:
        """Forward and backward passes of a row in `update` per row in the loss."""
        return 1.0

    def adapt(self, model: Model, rows: TrainRows) -> Predictor:
        """The predictor for evaluation: the model itself, or an `AdaptedPredictor`.

        It is made of the model in eval mode, before every evaluation on dev, perhaps in inference
        mode. It may look at train rows, of which row i is of the task `rows.task_id[i]`, and never
        changes the model. Dev and test have tasks that train lacks, with id 0; ids are below
        `shape.num_tasks`.
        """
        return model

    def readapted(self, model: Model, tensors: Mapping[str, Tensor]) -> Predictor:
        """The predictor that `adapt` made, from its `tensors` and its model."""
        raise NotImplementedError("a method whose adapt() makes a predictor says how to load it")

    def diagnostics(self) -> dict[str, Tensor]:
        """The records of a forward pass, by name: per-row tensors (B, n) and scalars.

        Per-row tensors are of the last pass in eval mode, there are none after a training pass.
        """
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim(Generic[ConfigT]):
    """The computation of a layer N -> M with D domains, as a paper counts it.

    `of_layer` takes the config, N and M and gives the count of one domain; `text` is the O(.).
    """

    text: str
    of_layer: Callable[[ConfigT, int, int], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodEntry(Generic[ConfigT]):
    """The constant `METHOD` of a module of `models/methods`; its name is the file's.

    `reads_tasks` says whether task ids change what the method does, and `reads_prior` whether it
    conditions on the prior columns of a log, of which there may be none. `blind_pins` are the
    hyper-parameters of its domain-blind control, which has no e_d. `claim` is the computation that
    the AdaSparse paper, section 3.1.3, says it takes.
    """

    config: type[ConfigT]
    build: Callable[[ConfigT, ModelShape], DomainMethod]
    facts: Facts = NO_FACTS
    reads_tasks: bool = True
    reads_prior: bool = False
    blind_pins: Mapping[str, bool | int | float | str | None] = field(default_factory=dict)
    claim: Claim[ConfigT] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BackboneEntry(Generic[ConfigT]):
    """The constant `BACKBONE` of a module of `models/backbones`; its name is the file's."""

    config: type[ConfigT]
    build: Callable[[ConfigT, ModelShape, DomainMethod], Backbone]
    facts: Facts = NO_FACTS


class Backbone(nn.Module):
    """A network from x_0 to a logit that gets every affine map from the method."""

    def forward(self, context: DomainContext) -> Tensor:
        """Logits (B,)."""
        raise NotImplementedError
