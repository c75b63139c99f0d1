"""MAML: the shared network is trained so that few gradient steps suit it to a domain.

The tasks are the values of one representative domain column, the task ids (AdaSparse, footnote 4),
except where a study says otherwise. Row ids are in time order, so the older of two rows of train is
the one with the smaller id.

Paper: Finn, Abbeel, Levine: Model-agnostic meta-learning for fast adaptation of deep networks, ICML
    2017, arXiv 1703.03400; as AdaSparse (arXiv 2206.13108) uses it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import torch
from torch import Tensor, nn

from models.config_values import check_at_least, check_choices, check_values
from models.facts import Facts
from models.interfaces import Choice, DomainMethod, MethodEntry, Range, tuned
from models.layers.task_parameters import (
    TaskPredictor,
    TaskRows,
    descended,
    latest_rows,
    stacked,
    stacked_rows,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from datasets.loader import Batch
    from models.interfaces import DomainLinear, Model, ModelShape, Role, TrainRows

Outer = Literal["symmetric", "query"]
Order = Literal["first", "second"]
Adapted = Literal["dense", "head"]
EVAL_STEPS_FACTORS = (1, 2, 5)


def half_weights(n: int, support_rows: int) -> Tensor:
    """The weight (2T, m) of each row of a batch of n in the mean over its half.

    A chunk is its older half, then its newer half. The batch is whole chunks of 2 * `support_rows`
    rows, else a single one. If n is odd, the first place of the older half has no row: weight 0.
    """
    shape = (n // support_rows, support_rows) if n % (2 * support_rows) == 0 else (2, n - n // 2)
    present = torch.ones(shape, dtype=torch.float64)
    present[0, : n % 2] = 0.0
    return present / present.sum(dim=1, keepdim=True).clamp(min=1.0)


def check_batch_size(batch_size: int, support_rows: int) -> None:
    """Make sure that a batch holds whole chunks.

    Raises:
        ValueError: it does not.
    """
    if batch_size % (2 * support_rows):
        allowed = [n for n in range(1, batch_size // 2 + 1) if batch_size % (2 * n) == 0]
        raise ValueError(
            f"support_rows is {support_rows}, so that a chunk has {2 * support_rows} rows with its"
            f" query rows, which does not divide the batch size {batch_size}; allowed at this batch"
            f" size: {', '.join(map(str, allowed)) or 'none, make it even'}"
        )


class TaskSampler:
    """Draws batches of tasks, epoch after epoch, and remembers which rows of each are to come.

    A task of n_d rows is drawn with p_d proportional to n_d^tau, by systematic sampling: its chunks
    of an epoch are the expected number, rounded down or up. At tau = 1 an epoch thus has each row
    of a task once, but for less than a chunk of them. It holds up to 24 bytes a row: the ids of the
    rows by task, what sorts them, and the passes that are under way.
    """

    def __init__(self, task_id: Tensor, support_rows: int, tau: float) -> None:
        """Cut the rows with these task ids (N,) into tasks."""
        self.num_rows = len(task_id)
        self.support_rows = support_rows
        self.passes = [TaskPasses(rows) for rows in rows_by_task(task_id.cpu())]
        size = torch.tensor([len(task.rows) for task in self.passes], dtype=torch.float64)
        self.share = size**tau / (size**tau).sum()  # (D,) p_d

    def epoch(self, batch_size: int, generator: torch.Generator) -> Iterator[Tensor]:
        """Row ids by batch; as many batches and rows as if each row were visited once."""
        chunk_rows = 2 * self.support_rows
        per_batch, rest = batch_size // chunk_rows, self.num_rows % batch_size
        is_even = rest % chunk_rows == 0
        num_chunks = (self.num_rows if is_even else self.num_rows - rest) // chunk_rows
        drawn = self._draw(num_chunks, generator)
        for low in range(0, num_chunks, per_batch):
            tasks = drawn[low : low + per_batch]
            yield torch.cat([self.passes[task].take(chunk_rows, generator) for task in tasks])
        if not is_even:
            task = int(torch.multinomial(self.share, 1, generator=generator))
            yield self.passes[task].take(rest, generator)

    def _draw(self, count: int, generator: torch.Generator) -> list[int]:
        """Tasks in random order, each either floor or ceil of count * p_d times."""
        offset = torch.rand(1, dtype=torch.float64, generator=generator)
        points = torch.arange(count, dtype=torch.float64) + offset  # (count,)
        edges = self.share.cumsum(0) * count  # (D,)
        tasks = torch.searchsorted(edges, points, right=True).clamp(max=len(edges) - 1)
        drawn: list[int] = tasks[torch.randperm(count, generator=generator)].tolist()
        return drawn


class TaskPasses:
    """Goes through the rows of one task, again and again, each time in another random order.

    A chunk that reaches beyond the end of a pass goes on with rows of the next that it does not
    have, so that no row is filled up and every row is taken once before any is taken twice. A task
    with too few rows for a chunk repeats the rows of its older and of its newer half.
    """

    def __init__(self, rows: Tensor) -> None:
        """Prepare for the rows (n_d,) of a task, in time order."""
        self.rows = rows
        self.coming = rows[:0]  # the rest of a pass

    def take(self, size: int, generator: torch.Generator) -> Tensor:
        """The row ids (size,) of the next chunk: all of the older half before the newer."""
        if len(self.rows) < size:
            older, newer = self.rows.tensor_split([len(self.rows) // 2])
            n = size // 2
            return torch.cat([_repeat(older, n, generator), _repeat(newer, size - n, generator)])
        if len(self.coming) < size:
            order = self.rows[torch.randperm(len(self.rows), generator=generator)]
            is_coming = torch.isin(order, self.coming)
            self.coming = torch.cat([self.coming, order[~is_coming], order[is_coming]])
        chunk, self.coming = self.coming.tensor_split([size])
        return chunk.sort().values


def rows_by_task(task_id: Tensor) -> list[Tensor]:
    """The row ids of each task, in time order; every task has two rows or more.

    Tasks of a single row are pooled into one; if there is but one such, it joins the smallest.
    """
    counts = torch.unique(task_id, return_counts=True)[1]
    groups = torch.argsort(task_id, stable=True).split(counts.tolist())
    tasks = [rows for rows in groups if len(rows) > 1]
    single = [rows for rows in groups if len(rows) == 1]
    if len(single) == 1 and tasks:
        tasks.sort(key=len)
        single.append(tasks.pop(0))
    return [*tasks, torch.cat(single).sort().values] if single else tasks


def partners(rows: TaskRows) -> TaskRows:
    """Halves of chunks, a pair each, in exchanged places."""
    return TaskRows._make(c.unflatten(0, (-1, 2)).flip(1).flatten(0, 1) for c in rows)


def one_of_each(rows: TaskRows) -> TaskRows:
    """One half of each pair: the first, the second, the first, and so on."""
    pair = torch.arange(len(rows.weight) // 2, device=rows.weight.device)
    return TaskRows._make(column[2 * pair + pair % 2] for column in rows)


def pooled(rows: TaskRows) -> TaskRows:
    """The same rows, each with an equal weight in the sum over all tasks; 0 stays 0."""
    is_row = (rows.weight > 0.0).to(rows.weight)
    return rows._replace(weight=is_row / is_row.sum())


def _repeat(rows: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """The rows in random order, over and over up to this size."""
    order = torch.randperm(len(rows), generator=generator)
    return rows[order[torch.arange(size) % len(rows)]]


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
        check_at_least(self, 0, "inner_rate")
        check_at_least(self, 1, "inner_steps", "support_rows", "eval_rows")
        check_choices(self, outer=get_args(Outer), order=get_args(Order), adapt=get_args(Adapted))
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

    def linear(self, n_in: int, n_out: int, role: Role, index: int) -> DomainLinear:
        layer = super().linear(n_in, n_out, role, index)
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

    def loss(self, model: Model, batch: Batch) -> Tensor:
        """The mean over the judged rows, each under theta as adapted to its chunk's other half."""
        weight = half_weights(len(batch), self.config.support_rows)
        support = stacked_rows(model, batch, weight)  # (2T, m): older, newer, older, ...
        query = partners(support)
        if self.config.outer == "query":
            support, query = one_of_each(support), one_of_each(query)
        thetas = self.adapted(model, support, self.config.inner_steps)
        return pooled(query).losses(model, thetas).sum()

    def loss_rows(self, num_rows: int) -> int:
        """All rows, or one half of each chunk."""
        return num_rows if self.config.outer == "symmetric" else num_rows - num_rows // 2

    @property
    def reads_e_d(self) -> bool:
        return self.config.adaptive_lr

    def theta(self, model: Model) -> dict[str, Tensor]:
        """The parameters that the inner steps move, by qualified name."""
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
        thetas = stacked(self.theta(model), len(rate))
        is_second = self.config.order == "second" and torch.is_grad_enabled()
        for _ in range(steps):
            thetas = descended(model, thetas, support, rate, is_second_order=is_second)
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

    def readapted(self, model: Model, tensors: Mapping[str, Tensor]) -> TaskPredictor:
        return TaskPredictor.again(model, self.theta(model), tensors)

    def __getstate__(self) -> dict[str, object]:
        """Copies begin their passes through the tasks anew, and hold no rows."""
        return self.__dict__ | {"_sampled": None, "_sampler": None}


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
