"""MAML: the shared network is trained so that few gradient steps suit it to a domain.

The tasks are the values of one representative domain column, the task ids (AdaSparse, footnote 4),
except where a study says otherwise.

Paper: Finn, Abbeel, Levine: Model-agnostic meta-learning for fast adaptation of deep networks, ICML
    2017, arXiv 1703.03400; as AdaSparse (arXiv 2206.13108) uses it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import torch
from torch import Tensor, nn

from models.config_values import check_values
from models.facts import Facts
from models.interfaces import Choice, DomainMethod, MethodEntry, Range, tuned
from models.methods.maml.stacked_tasks import TaskPredictor, stacked_rows
from models.methods.maml.task_batches import (
    TaskSampler,
    check_batch_size,
    half_weights,
    latest_rows,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from datasets.loader import Batch
    from models.interfaces import DomainLinear, Model, ModelShape, Optimizer, Role, TrainRows
    from models.methods.maml.stacked_tasks import TaskRows

Outer = Literal["symmetric", "query"]
Order = Literal["first", "second"]
Adapted = Literal["dense", "head"]
EVAL_STEPS_FACTORS = (1, 2, 5)


@dataclass(frozen=True, slots=True, kw_only=True)
class MamlConfig:
    """The inner loop, the tasks, and the adaptation for evaluation.

    Raises:
        ValueError: a value is out of its range.
    """

    inner_rate: float = tuned(0.3, Range(low=3e-2, high=3.0, log=True))  # eta
    adaptive_lr: bool = False  # eta_d in place of eta
    inner_steps: int = tuned(1, Range(low=1, high=5))  # k
    outer: Outer = "symmetric"  # both halves of a chunk are judged, or one
    order: Order = "first"
    adapt: Adapted = tuned("dense", Choice(("dense", "head")))  # theta, or its last two maps
    support_rows: int = tuned(32, Choice((16, 32, 64)))  # n_s = n_q
    tau: float = 1.0  # p_d is proportional to n_d^tau
    eval_steps_factor: int = 1  # k_eval / k
    eval_rows: int = 256  # n_eval

    def __post_init__(self) -> None:
        check_values(self)
        if self.inner_rate < 0.0:
            raise ValueError(f"inner_rate must be at least 0, got {self.inner_rate}")
        for name in ("inner_steps", "support_rows", "eval_rows"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name, kind in (("outer", Outer), ("order", Order), ("adapt", Adapted)):
            if getattr(self, name) not in get_args(kind):
                raise ValueError(
                    f"unknown {name} {getattr(self, name)!r}; allowed: {', '.join(get_args(kind))}"
                )
        if not 0.0 < self.tau <= 1.0:
            raise ValueError(f"tau must be in (0, 1], got {self.tau}")
        if self.eval_steps_factor not in EVAL_STEPS_FACTORS:
            raise ValueError(
                f"eval_steps_factor must be one of {EVAL_STEPS_FACTORS}, got"
                f" {self.eval_steps_factor}"
            )


class InnerRate(nn.Module):
    """The learning rate of the inner steps of a task.

    Equation: eta; if adaptive, eta_d = 2 eta sigmoid(w . mean of e_d over the support rows).
    Shapes: eta (), w (E_d,), eta_d (T,).
    Deviation: the adaptive rate is a simplification of our own of what personalised variants of
        MAML do (arXiv 2012.11842); w starts at zero, where it is MAML's.
    """

    def __init__(self, eta: float, n_domain: int, *, is_adaptive: bool) -> None:
        super().__init__()
        self.eta = eta
        self.weight = nn.Parameter(torch.zeros(n_domain)) if is_adaptive else None

    def initialise(self, generator: torch.Generator) -> None:
        """Zero w."""
        if self.weight is not None:
            nn.init.zeros_(self.weight)

    def forward(self, support: TaskRows) -> Tensor:
        """The rate of each task: (T,)."""
        if self.weight is None:
            return support.weight.new_full((len(support.weight),), self.eta)
        mean = torch.bmm(support.weight.unsqueeze(1), support.e_d).squeeze(1)  # (T, E_d)
        return 2.0 * self.eta * torch.sigmoid(mean @ self.weight)


class Maml(DomainMethod):
    """Every step adapts theta to one half of a task's rows and judges it on the other half.

    theta are the backbone's parameters, phi the embeddings; L is the mean cross-entropy.

    Equation: theta_d^0 = theta, theta_d^{j+1} = theta_d^j - eta grad_theta L(S_d; theta_d^j, phi)
        for j < k; min over theta, phi of the mean of L(Q_d; theta_d^k, phi) over d, where each
        pair of halves of a chunk is (S_d, Q_d) once in the one order and once in the other.
    Shapes: of T chunks, theta_d are stacked, (2T, *shape of theta); x_0 of S_d and Q_d (2T, n, d).
    Deviation: the outer loss is symmetric, the mean over all rows of a batch. The papers' support
        rows give it no gradient, so that MAML would learn from half of the rows that the other
        methods learn from; `outer="query"` is that form. There Q_d is the newer half of a batch's
        first chunk, the older half of the next, and so on: a row is judged in half of its visits
        at random, as the papers draw S_d and Q_d anew each time.
    Deviation: the default is the first order, which takes the inner gradients for constants.
    Deviation: phi is shared by all tasks and moved by the outer loss alone: tables per task are
        unaffordable, and inner steps on rare ids over-fit.
    Deviation: neither paper says how clicks become tasks. A batch holds T = batch size / (n_s +
        n_q) chunks, each of one task and cut in two in time order.
    Deviation: a last batch that is no whole number of chunks is a single one; of an odd number of
        rows the newer half has one more, and a single row is judged under theta as it is.
    Deviation: the papers give no inner rate. At 0.3 one step moves predictions, at 0.05 it hardly
        does; what rates are worth in AUC is in docs/fairness.md.
    Deviation: for evaluation theta is adapted to a task by k_eval steps on its latest n_eval train
        rows, and is left as it is for tasks unseen in train. No label of dev or test is read.
    """

    def __init__(self, config: MamlConfig, shape: ModelShape) -> None:
        super().__init__(shape)
        self.config = config
        self.rate = InnerRate(config.inner_rate, shape.n_domain, is_adaptive=config.adaptive_lr)
        self._head: dict[Role, DomainLinear] = {}  # the last of a role; the backbone owns them
        self._sampled: TrainRows | None = None
        self._sampler: TaskSampler | None = None

    def linear(self, n_in: int, n_out: int, role: Role) -> DomainLinear:
        layer = super().linear(n_in, n_out, role)
        if role != "cross":
            self._head[role] = layer
        return layer

    def batches(self, rows: TrainRows, generator: torch.Generator) -> Iterator[Tensor]:
        """One epoch of row ids by batch, laid out as `half_weights` says.

        Raises:
            ValueError: the batch size is not a whole number of chunks.
        """
        check_batch_size(rows.batch_size, self.config.support_rows)
        if self._sampler is None or self._sampled is not rows:
            self._sampled = rows
            self._sampler = TaskSampler(rows.task_id, self.config.support_rows, self.config.tau)
        return self._sampler.epoch(rows.batch_size, generator)

    def update(self, model: Model, batch: Batch, optimizer: Optimizer) -> float:
        """One optimiser step on the outer loss, which is returned."""
        optimizer.zero_grad()
        loss = self.outer_loss(model, batch)
        value = loss.item()
        if math.isfinite(value):  # a broken loss must not reach the weights
            torch.autograd.backward(loss)
            optimizer.step()
        return value

    def outer_loss(self, model: Model, batch: Batch) -> Tensor:
        """The mean over the judged rows, each under theta as adapted to its chunk's other half."""
        weight = half_weights(len(batch), self.config.support_rows)
        support = stacked_rows(model, batch, weight)  # (2T, m): older, newer, older, ...
        query = support.partners()
        if self.config.outer == "query":
            support, query = support.one_of_each(), query.one_of_each()
        thetas = self.adapted(model, support, self.config.inner_steps)
        return query.pooled().losses(model, thetas).sum()

    def loss_rows(self, num_rows: int) -> int:
        """All rows, or one half of each chunk."""
        return num_rows if self.config.outer == "symmetric" else num_rows - num_rows // 2

    @property
    def reads_e_d(self) -> bool:
        return self.config.adaptive_lr

    def theta(self, model: Model) -> dict[str, Tensor]:
        """What the inner steps move, by qualified name."""
        backbone: dict[str, Tensor] = {
            name: value
            for name, value in model.dense_parameters().items()
            if name.startswith("backbone.")
        }
        if self.config.adapt == "dense":
            return backbone
        head = {id(value) for layer in self._head.values() for value in layer.parameters()}
        return {name: value for name, value in backbone.items() if id(value) in head}

    def adapted(self, model: Model, support: TaskRows, steps: int) -> dict[str, Tensor]:
        """Theta (T, *shape) after some inner steps on the support rows of each task."""
        rate = self.rate(support)  # (T,)
        thetas = {name: v.expand(len(rate), *v.shape) for name, v in self.theta(model).items()}
        is_second = self.config.order == "second" and torch.is_grad_enabled()
        for _ in range(steps):
            with torch.enable_grad():
                start = thetas if is_second else leaves(thetas)
                loss = support.losses(model, start).sum()  # a task's gradient is of its own loss
                gradients = torch.autograd.grad(loss, list(start.values()), create_graph=is_second)
            thetas = {
                name: value - rate.view(-1, *[1] * (value.ndim - 1)) * gradient
                for (name, value), gradient in zip(thetas.items(), gradients, strict=True)
            }
        return thetas

    @property
    def passes_per_visit(self) -> float:
        """For a row that is judged once, one row is support in every inner step.

        In the symmetric form it is the same row, in the other a row of the chunk's other half.
        """
        return self.config.inner_steps + 1.0

    def adapt(self, model: Model, rows: TrainRows) -> TaskPredictor:
        """Theta for every task of train; stays valid until the model changes."""
        steps = self.config.inner_steps * self.config.eval_steps_factor
        with torch.inference_mode(mode=False), torch.no_grad():  # the former would forbid gradients
            predictor = TaskPredictor(model, self.theta(model), len(rows.task_id.unique()))
            for tasks, row_ids, weight in latest_rows(rows.task_id.cpu(), self.config.eval_rows):
                support = stacked_rows(model, rows.batch(row_ids.flatten()), weight)
                predictor.add(tasks, self.adapted(model, support, steps))
        return predictor

    def __getstate__(self) -> dict[str, object]:
        """Copies begin their passes through the tasks anew, and hold no rows."""
        return self.__dict__ | {"_sampled": None, "_sampler": None}


def leaves(thetas: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same values, as far as gradients go without a past."""
    return {name: value.detach().requires_grad_() for name, value in thetas.items()}


METHOD = MethodEntry(
    config=MamlConfig,
    build=Maml,
    facts=Facts(
        title="MAML",
        paper="Finn, Abbeel, Levine: Model-agnostic meta-learning for fast adaptation of deep"
        " networks, ICML 2017, arXiv 1703.03400",
        published="2017-03",
        family="adapted",
        in_table_1=True,
        colour="#56b4e9",
        marker="s",
    ),
)
