"""Adam for the two kinds of parameters: fused for the dense part, row-wise for tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.optim.adam import adam

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import Tensor, nn

    from benchmark.config import Regularisers

BETAS = (0.9, 0.999)
EPSILON = 1e-8


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
        self.learning_rate = learning_rate
        # A row and its two moments lie side by side, to be fetched and stored at once; the table's
        # parameter is a view of the first of the three.
        rows, width = table.weight.shape
        self.rows = table.weight.new_zeros(rows, 3 * width)
        self.rows[:, :width] = table.weight.detach()
        table.weight.data = self.rows[:, :width]
        self.steps = torch.zeros((), device=table.weight.device)
        per_occurrence = epoch_l2 / table.frequency.clamp(min=1).to(table.weight.dtype)
        self.l2_per_occurrence = per_occurrence if epoch_l2 else None  # (rows,)

    @torch.no_grad()
    def step(self) -> None:
        """Update the rows in the table's sparse gradient; duplicates are summed."""
        gradient = self.table.grad
        if gradient is None:
            return
        rows, place, count = torch.unique(
            gradient._indices()[0], return_inverse=True, return_counts=True
        )
        values = gradient._values()  # (occurrences, K)
        total = values.new_zeros(len(rows), values.shape[1]).index_add_(0, place, values)  # (U, K)
        whole = self.rows.index_select(0, rows).view(len(rows), 3, -1)  # (U, 3, K)
        weight, first, second = moved = whole.transpose(0, 1).contiguous()  # (U, K) each
        if self.l2_per_occurrence is not None:
            share = self.l2_per_occurrence.index_select(0, rows) * count  # (U,)
            total.addcmul_(weight, share.unsqueeze(1))
        self._adam(weight, total, first, second)
        self.rows.index_copy_(0, rows, moved.transpose(0, 1).reshape(len(rows), -1))

    def _adam(self, weight: Tensor, gradient: Tensor, first: Tensor, second: Tensor) -> None:
        """One step of torch's fused Adam on gathered rows, in place."""
        adam(
            [weight],
            [gradient],
            [first],
            [second],
            [],
            [self.steps],
            fused=True,
            amsgrad=False,
            beta1=BETAS[0],
            beta2=BETAS[1],
            lr=self.learning_rate,
            weight_decay=0.0,
            eps=EPSILON,
            maximize=False,
        )


class ProtocolAdam:
    """The optimiser of every cell: `RowAdam` for row-wise tables, fused Adam for all else.

    Adam with rate 1e-3 is the paper's (section 4.1.2). `weight_decay` is the L2 penalty of the
    dense matrices, biases and other vectors excepted; a dense table has `embedding_l2` instead.
    """

    def __init__(self, dense: torch.optim.Adam, tables: Sequence[RowAdam]) -> None:
        self.dense = dense
        self.tables = tables
        self.parameters = [p for group in dense.param_groups for p in group["params"]]
        self.parameters += [table.table for table in tables]

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    def step(self) -> None:
        """Update all parameters that have a gradient."""
        for table in self.tables:  # first, while its gradient is in the cache
            table.step()
        self.dense.step()


def make_optimizer(
    parameters: Iterable[nn.Parameter],
    learning_rate: float,
    regularisers: Regularisers,
    *,
    table: Table,
    steps_per_epoch: int,
) -> ProtocolAdam:
    """The optimiser for a model's `parameters`, of which `table` is the embedding."""
    rest = [parameter for parameter in parameters if parameter is not table.weight]
    groups = [
        {"params": [p for p in rest if p.ndim >= 2], "weight_decay": regularisers.weight_decay},
        {"params": [p for p in rest if p.ndim < 2], "weight_decay": 0.0},
    ]
    tables = []
    if table.is_row_wise:
        epoch_l2 = regularisers.embedding_l2 * steps_per_epoch
        tables.append(RowAdam(table, learning_rate, epoch_l2=epoch_l2))
    else:
        groups.append({"params": [table.weight], "weight_decay": regularisers.embedding_l2})
    return ProtocolAdam(
        torch.optim.Adam(groups, lr=learning_rate, betas=BETAS, eps=EPSILON, fused=True), tables
    )
