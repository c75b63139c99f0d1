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
from models.interfaces import Choice, DomainMethod, MethodEntry, Range, tuned
from models.stacked_tasks import TaskPredictor, stacked_rows
from models.task_batches import TaskSampler, check_batch_size, latest_rows, task_layout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from datasets.loader import Batch
    from models.interfaces import DomainLinear, Model, ModelShape, Optimizer, Role, TrainRows
    from models.stacked_tasks import TaskRows

Order = Literal["first", "second"]
Adapted = Literal["dense", "head"]
EVAL_STEPS_FACTORS = (1, 2, 5)


@dataclass(frozen=True, slots=True, kw_only=True)
class MamlConfig:
    """The inner loop, the tasks, and the adaptation for evaluation.

    Raises:
        ValueError: a value is out of its range.
    """

    inner_rate: float = tuned(0.05, Range(low=1e-3, high=1.0, log=True))  # eta
    adaptive_lr: bool = False  # eta_d in place of eta
    inner_steps: int = tuned(1, Range(low=1, high=5))  # k
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
        if self.order not in get_args(Order):
            raise ValueError(f"unknown order {self.order!r}; allowed: first, second")
        if self.adapt not in get_args(Adapted):
            raise ValueError(f"unknown adapt {self.adapt!r}; allowed: dense, head")
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
    """Every step adapts theta to the tasks of a batch and judges it on other rows of them.

    theta are the backbone's parameters, phi the embeddings; L is the mean cross-entropy.

    Equation: theta_d^0 = theta, theta_d^{j+1} = theta_d^j - eta grad_theta L(S_d; theta_d^j, phi)
        for j < k; min over theta, phi of mean_d L(Q_d; theta_d^k, phi).
    Shapes: theta_d are stacked, (T, *shape of theta); x_0 of S_d and Q_d (T, n, d).
    Deviation: the default is the first order, which takes the inner gradients for constants.
    Deviation: phi is shared by all tasks and moved by the outer loss alone: tables per task are
        unaffordable, and inner steps on rare ids over-fit.
    Deviation: neither paper says how clicks become tasks. A batch holds T = batch size / (n_s +
        n_q) tasks; support and query rows both count as visits. In two passes through a task every
        row is once the one and once the other, but for the few that fill up its last chunk.
    Deviation: a last batch that is no whole number of such tasks is a single one, its rows drawn
        apart from the passes; a batch of one row has no support, theta is judged as it is.
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
        """One epoch of row ids by batch, laid out as `task_layout` says.

        Raises:
            ValueError: the batch size is not a whole number of tasks.
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
        """The mean over tasks of the query rows' loss, each under its task's parameters."""
        num_tasks, n_support, n_query = task_layout(len(batch), self.config.support_rows)
        rows = stacked_rows(model, batch, torch.ones(num_tasks, n_support + n_query))
        support, query = rows.part(0, n_support), rows.part(n_support, n_support + n_query)
        steps = self.config.inner_steps if n_support else 0
        return query.losses(model, self.adapted(model, support, steps)).mean()

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
        """A support row is passed in every inner step, a query row once."""
        return (self.config.inner_steps + 1) / 2

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


METHOD = MethodEntry(config=MamlConfig, build=Maml)
