"""MAML: the shared network is trained so that few gradient steps suit it to a domain.

The tasks are the values of one representative domain column, the task ids (AdaSparse, footnote 4),
except where a study says otherwise. Row ids are in time order, so the older of two rows of train is
the one with the smaller id.

Paper: Finn, Abbeel, Levine: Model-agnostic meta-learning for fast adaptation of deep networks, ICML
    2017, arXiv 1703.03400; as AdaSparse (arXiv 2206.13108) uses it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn
from torch.func import vmap
from torch.nn import functional

from models.config_values import check_at_least, check_choices, check_values
from models.facts import Facts
from models.interfaces import (
    AdaptedPredictor,
    Choice,
    DomainContext,
    DomainMethod,
    MethodEntry,
    Range,
    tuned,
)
from models.layers.grouping import group_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from datasets.loader import Batch
    from models.interfaces import DomainLinear, Model, ModelShape, Role, TrainRows

MAX_STACKED_TASKS = 64
MAX_STACKED_ROWS = 16_384
TASKS = "tasks"  # among the tensors of a predictor: the ids of its tasks
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


def latest_rows(task_id: Tensor, limit: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """The latest rows of every task seen in train, at most `limit` each, a block of tasks a time.

    Yields the ids (T,) of some tasks, row ids (T, n), and the weight (T, n) of each row in the mean
    over its task's: 0 where a task has fewer than n rows.
    """
    order = torch.argsort(task_id, stable=True)
    tasks, counts = torch.unique(task_id, return_counts=True)
    ends = counts.cumsum(0)
    by_size = counts.argsort()
    step = max(1, min(MAX_STACKED_TASKS, MAX_STACKED_ROWS // limit))
    for block in by_size[tasks[by_size] > 0].split(step):
        kept = counts[block].clamp(max=limit).unsqueeze(1)  # (T, 1)
        back = torch.arange(int(kept.max()))  # (n,)
        positions = ends[block].unsqueeze(1) - 1 - torch.minimum(back, kept - 1)  # (T, n)
        yield tasks[block], order[positions], (back < kept).double() / kept


def _repeat(rows: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """The rows in random order, over and over up to this size."""
    order = torch.randperm(len(rows), generator=generator)
    return rows[order[torch.arange(size) % len(rows)]]


class TaskRows(NamedTuple):
    """Embedded rows of T tasks, n each; a task may be half a chunk."""

    domain_id: Tensor  # (T, n)
    task_id: Tensor  # (T, n)
    e_d: Tensor  # (T, n, E_d)
    x_0: Tensor  # (T, n, d)
    label: Tensor  # (T, n)
    weight: Tensor  # (T, n), of each row in its task's loss

    def losses(self, model: Model, thetas: Mapping[str, Tensor]) -> Tensor:
        """The weighted cross-entropy (T,) of each task's rows under its parameters (T, *shape)."""
        of_tasks = vmap(model.score_with, randomness="different")
        logits = of_tasks(dict(thetas), DomainContext(*self[:4]))  # (T, n)
        losses = functional.binary_cross_entropy_with_logits(
            logits, self.label, self.weight, reduction="none"
        )
        return losses.sum(dim=1)

    def partners(self) -> TaskRows:
        """Halves of chunks, a pair each, in exchanged places."""
        return TaskRows._make(c.unflatten(0, (-1, 2)).flip(1).flatten(0, 1) for c in self)

    def one_of_each(self) -> TaskRows:
        """One half of each pair: the first, the second, the first, and so on."""
        pair = torch.arange(len(self.weight) // 2, device=self.weight.device)
        return TaskRows._make(column[2 * pair + pair % 2] for column in self)

    def pooled(self) -> TaskRows:
        """The same rows, each with an equal weight in the sum over all tasks; 0 stays 0."""
        is_row = (self.weight > 0.0).to(self.weight)
        return self._replace(weight=is_row / is_row.sum())


def stacked_rows(model: Model, batch: Batch, weight: Tensor) -> TaskRows:
    """The rows of a batch, embedded, as a stack of tasks that is shaped like their weight.

    Places at its start that have no row hold copies of the first rows; their weight must be 0.
    """
    context = model.embed(batch)
    missing = weight.numel() - len(batch)
    columns = (*context, batch.label)
    stacks = (torch.cat([c[:missing], c]).unflatten(0, weight.shape) for c in columns)
    return TaskRows._make([*stacks, weight.to(context.x_0)])


class TaskPredictor(AdaptedPredictor):
    """Scores every row with the parameters of its task; row 0 of the stack is theta itself."""

    def __init__(self, model: Model, theta: Mapping[str, Tensor], num_tasks: int) -> None:
        """Make room for the parameters of `num_tasks` tasks beside theta."""
        self.model = model
        self.thetas = {
            name: value.new_empty(1 + num_tasks, *value.shape) for name, value in theta.items()
        }
        for name, value in theta.items():
            self.thetas[name][0] = value
        self.places: dict[int, int] = {}  # of the tasks in the stack

    def add(self, tasks: Tensor, thetas: Mapping[str, Tensor]) -> None:
        """Keep the parameters (T, *shape) of these tasks (T,)."""
        low = 1 + len(self.places)
        for name, values in thetas.items():
            self.thetas[name][low : low + len(tasks)] = values
        self.places |= {task: low + index for index, task in enumerate(tasks.tolist())}

    def tensors(self) -> dict[str, Tensor]:
        """The ids (T,) of the tasks, and the parameters (T, *shape) of each by name."""
        filled = 1 + len(self.places)
        thetas = {name: values[1:filled] for name, values in self.thetas.items()}
        return {TASKS: torch.tensor(list(self.places), dtype=torch.int64), **thetas}

    @torch.no_grad()
    def __call__(self, batch: Batch) -> Tensor:
        context = self.model.embed(batch)
        groups = group_rows(batch.task_id)
        parts = (groups.runs(groups.sort(column)) for column in context)
        logits = [context.x_0.new_empty(0)]
        for task, *part in zip(groups.numbers, *parts, strict=True):
            place = self.places.get(task, 0)
            theta = {name: values[place] for name, values in self.thetas.items()}
            logits.append(self.model.score_with(theta, DomainContext(*part)))
        return groups.unsort(torch.cat(logits))


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

    def readapted(self, model: Model, tensors: Mapping[str, Tensor]) -> TaskPredictor:
        thetas = dict(tensors)
        tasks = thetas.pop(TASKS)
        predictor = TaskPredictor(model, self.theta(model), len(tasks))
        with torch.no_grad():
            predictor.add(tasks, thetas)
        return predictor

    def __getstate__(self) -> dict[str, object]:
        """Copies begin their passes through the tasks anew, and hold no rows."""
        return self.__dict__ | {"_sampled": None, "_sampler": None}


def leaves(thetas: dict[str, Tensor]) -> dict[str, Tensor]:
    """The values without a past, as far as gradients go."""
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
