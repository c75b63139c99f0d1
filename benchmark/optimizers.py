"""Adam for the two kinds of parameters: fused for the dense part, row-wise for tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import Tensor, nn

    from benchmark.config import Regularisers

BETAS = (0.9, 0.999)
EPSILON = 1e-8
RADIX_SIZE = 1 << 15  # from here on torch sorts integers by radix, on a CPU


@dataclass(frozen=True, slots=True)
class Table:
    """An embedding table and how often each of its rows occurs in train.

    A row-wise table has a sparse gradient and `RowAdam`; another one is moved as a whole.
    """

    weight: nn.Parameter  # (rows, K)
    frequency: Tensor  # (rows,)
    is_row_wise: bool


class RowAdam:
    """Adam for one table, which reads and writes only the rows that the batch looked up.

    Deviation: a row that a batch does not touch keeps its moments and its value, where dense Adam
    would let the moments decay and drift the row along them. The step count of the bias correction
    is the table's, as in `torch.optim.SparseAdam`, whose result this is when `l2` is 0.

    The L2 penalty is lazy too: a row occurring c times in the batch and n times in train gets c / n
    times what dense Adam adds to its gradient in all the steps of one epoch, so that over an epoch
    both add the same.
    """

    def __init__(self, table: Table, learning_rate: float, *, epoch_l2: float) -> None:
        """Prepare for a table; `epoch_l2` is the penalty's weight times the steps of one epoch."""
        self.table = table.weight
        self.parameters = [table.weight]
        self.learning_rate = learning_rate
        # A row and its two moments lie side by side, to be fetched and stored at once; the table's
        # parameter is a view of the first of the three.
        rows, width = table.weight.shape
        self.rows = table.weight.new_zeros(rows, 3 * width)
        self.rows[:, :width] = table.weight.detach()
        table.weight.data = self.rows[:, :width]
        self.steps = torch.zeros(())
        per_occurrence = epoch_l2 / table.frequency.clamp(min=1).to(table.weight.dtype)
        self.l2_per_occurrence = per_occurrence if epoch_l2 else None  # (rows,)

    @torch.no_grad()
    def step(self) -> None:
        """Update the rows in the table's sparse gradient; duplicates are summed."""
        gradient = self.table.grad
        if gradient is None:
            return
        self.steps += 1
        rows, count, total = _sum_by_row(gradient._indices()[0], gradient._values())
        whole = self.rows.index_select(0, rows).view(len(rows), 3, -1)  # (U, 3, K)
        weight, first, second = moved = whole.transpose(0, 1).contiguous()  # (U, K) each
        if self.l2_per_occurrence is not None:
            share = self.l2_per_occurrence.index_select(0, rows) * count  # (U,)
            total.addcmul_(weight, share.unsqueeze(1))
        _fused_adam([weight], [total], ([first], [second]), self.steps, self.learning_rate)
        self.rows.index_copy_(0, rows, moved.transpose(0, 1).reshape(len(rows), -1))


class DomainAdam:
    """Adam for per-domain tables, in place on the rows of the domains in the batch.

    Deviation: as for `RowAdam`. That class fetches many narrow rows and stores them again; here the
    rows are few and wide. The step count is one for all tables, since a step looks up all of them.
    """

    def __init__(self, tables: Sequence[nn.Parameter], learning_rate: float) -> None:
        self.parameters = list(tables)
        self.learning_rate = learning_rate
        self.rows = [  # of each table, its first and its second moments
            [list(values.detach().unbind()) for values in (table, *_moments(table))]
            for table in tables
        ]
        self.steps = torch.zeros(())

    @torch.no_grad()
    def step(self) -> None:
        """Update the rows in the tables' sparse gradients."""
        self.steps += 1
        moved: list[list[Tensor]] = [[], [], [], []]  # weights, moments, gradients
        for table, rows_of in zip(self.parameters, self.rows, strict=True):
            if table.grad is not None:
                rows, gradients = _different_rows(table.grad)
                moved[3] += gradients
                for values, views in zip(moved, rows_of, strict=False):
                    values += [views[row] for row in rows]
        weights, first, second, gradients = moved
        if weights:
            _fused_adam(weights, gradients, (first, second), self.steps, self.learning_rate)


class DenseAdam:
    """Adam for parameters that every step moves: `torch.optim.Adam` without its bookkeeping.

    For a small network torch's class spends more time on that than in the kernel. A parameter
    without a gradient is left alone.
    """

    def __init__(
        self, parameters: Sequence[nn.Parameter], learning_rate: float, weight_decay: float
    ) -> None:
        self.parameters = parameters
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        moments = [_moments(parameter) for parameter in parameters]
        self.first, self.second = [first for first, _ in moments], [second for _, second in moments]
        self.steps = torch.zeros(())

    @torch.no_grad()
    def step(self) -> None:
        """Update all parameters that have a gradient."""
        self.steps += 1
        moved = [
            (parameter, parameter.grad, first, second)
            for parameter, first, second in zip(
                self.parameters, self.first, self.second, strict=True
            )
            if parameter.grad is not None
        ]
        if moved:
            weights, gradients, first, second = map(list, zip(*moved, strict=True))
            moments = (first, second)
            _fused_adam(
                weights, gradients, moments, self.steps, self.learning_rate, self.weight_decay
            )


class ProtocolAdam:
    """The optimiser of every cell: row by row for tables, `DenseAdam` for all else.

    Adam with rate 1e-3 is the paper's (section 4.1.2). `weight_decay` is the L2 penalty of the
    dense matrices, biases and other vectors excepted; a dense table has `embedding_l2` instead, and
    per-domain tables have neither.
    """

    def __init__(self, parts: Sequence[RowAdam | DomainAdam | DenseAdam]) -> None:
        self.parts = parts

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for part in self.parts:
            for parameter in part.parameters:
                parameter.grad = None

    def step(self) -> None:
        """Update all parameters that have a gradient."""
        for part in self.parts:
            part.step()


def make_optimizer(
    parameters: Iterable[nn.Parameter],
    learning_rate: float,
    regularisers: Regularisers,
    *,
    table: Table,
    domain_tables: Sequence[nn.Parameter] = (),
    steps_per_epoch: int,
) -> ProtocolAdam:
    """The optimiser for a model's `parameters`, `table` and `domain_tables` among them."""
    apart = {id(parameter) for parameter in (table.weight, *domain_tables)}
    rest = [parameter for parameter in parameters if id(parameter) not in apart]
    matrices = [parameter for parameter in rest if parameter.ndim >= 2]
    vectors = [parameter for parameter in rest if parameter.ndim < 2]
    penalty = regularisers.embedding_l2
    of_table = (
        RowAdam(table, learning_rate, epoch_l2=penalty * steps_per_epoch)
        if table.is_row_wise
        else DenseAdam([table.weight], learning_rate, penalty)
    )
    of_domains = (
        DomainAdam(domain_tables, learning_rate)
        if table.is_row_wise
        else DenseAdam(domain_tables, learning_rate, 0.0)
    )
    return ProtocolAdam(
        [
            of_table,  # first, while its gradient is in the cache
            of_domains,
            DenseAdam(matrices, learning_rate, regularisers.weight_decay),
            DenseAdam(vectors, learning_rate, 0.0),
        ]
    )


def _moments(parameter: Tensor) -> tuple[Tensor, Tensor]:
    return torch.zeros_like(parameter), torch.zeros_like(parameter)


def _different_rows(gradient: Tensor) -> tuple[list[int], list[Tensor]]:
    """The rows of a sparse gradient and their values, summed where one comes twice."""
    rows, values = gradient._indices()[0].tolist(), gradient._values()
    if len(set(rows)) < len(rows):
        gradient = gradient.coalesce()
        rows, values = gradient.indices()[0].tolist(), gradient.values()
    return rows, list(values.unbind())


def _sum_by_row(ids: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Distinct ids (U,) in order, how often each occurs, and the sum (U, K) of its values."""
    ordered, order = _sort(ids.to(torch.int32))
    rows, count = torch.unique_consecutive(ordered, return_counts=True)
    starts = count.cumsum(0) - count
    return rows.long(), count, functional.embedding_bag(order, values, starts, mode="sum")


def _sort(ids: Tensor) -> tuple[Tensor, Tensor]:
    """Sorted ids and their old places; padded where torch would not use its faster radix sort."""
    size = len(ids)
    if ids.device.type != "cpu" or not RADIX_SIZE // 3 < size < RADIX_SIZE:
        return torch.sort(ids)
    padded = functional.pad(ids, (0, RADIX_SIZE - size), value=torch.iinfo(ids.dtype).max)
    ordered, order = torch.sort(padded)
    return ordered[:size], order[:size]


def _fused_adam(
    parameters: list[Tensor],
    gradients: list[Tensor],
    moments: tuple[list[Tensor], list[Tensor]],
    steps: Tensor,
    learning_rate: float,
    weight_decay: float = 0.0,
) -> None:
    """One step of the kernel behind `torch.optim.Adam(fused=True)`, in place."""
    torch._fused_adam_(
        parameters,
        gradients,
        *moments,
        [],
        [steps.to(parameters[0].device)] * len(parameters),
        lr=learning_rate,
        beta1=BETAS[0],
        beta2=BETAS[1],
        weight_decay=weight_decay,
        eps=EPSILON,
        amsgrad=False,
        maximize=False,
    )
