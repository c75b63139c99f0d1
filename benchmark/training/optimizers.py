"""The optimiser of every cell: Adam row by row for tables, fused for the dense part."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from benchmark.training.adam import Progress, fused_adam
from benchmark.training.native_adam import NativeAdam
from benchmark.training.row_adam import DomainAdam, RowAdam
from models.layers.kernels.library import library_for
from models.layers.static_shapes import has_static_shapes
from models.layers.tables import DomainTable, domain_tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

    from benchmark.config import Regularisers
    from models.ctr_model import CTRModel
    from models.layers.tables import RowTable


class DenseAdam:
    """Adam for parameters that every step moves: `torch.optim.Adam` without its bookkeeping.

    For a small network torch's class spends more time on that than in the kernel. A parameter
    without a gradient is left alone.
    """

    is_broken: Tensor | None = None  # as in `RowAdam`

    def __init__(
        self, parameters: Sequence[nn.Parameter], learning_rate: float, weight_decay: float
    ) -> None:
        self.parameters = parameters
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.first, self.second = (
            [torch.zeros_like(parameter) for parameter in parameters] for _ in range(2)
        )
        device = parameters[0].device if parameters else None
        self.steps = torch.zeros((), device=device)

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
            moments, progress = (first, second), Progress(self.steps, self.is_broken)
            fused_adam(weights, gradients, moments, progress, self.learning_rate, self.weight_decay)


class ProtocolAdam:
    """The optimiser of every cell: row by row for tables, `DenseAdam` for all else.

    Adam with rate 1e-3 is the paper's (section 4.1.2). `weight_decay` is the L2 penalty of the
    dense matrices, biases and other vectors excepted; a dense table has `embedding_l2` instead, and
    per-domain tables have neither.
    """

    def __init__(
        self, of_tables: Sequence[RowAdam | DomainAdam | NativeAdam], of_rest: Sequence[DenseAdam]
    ) -> None:
        self.of_tables, self.of_rest = of_tables, of_rest
        self.parts = (*of_tables, *of_rest)  # tables first, while their gradient is in the cache
        device = next(one.device for part in self.parts for one in part.parameters)
        # 1.0 from the first broken loss on; the kernels read it as float32
        self.is_broken = torch.zeros((), dtype=torch.float32, device=device)
        for part in self.parts:
            part.is_broken = self.is_broken

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for part in self.parts:
            for parameter in part.parameters:
                parameter.grad = None

    @torch.no_grad()
    def guard(self, loss: Tensor) -> None:
        """Have no step from here on move anything, if the loss () is nan or infinite."""
        is_bad = (loss - loss).ne_(0.0).to(self.is_broken)  # nan is not 0
        torch.maximum(self.is_broken, is_bad, out=self.is_broken)

    def step(self) -> None:
        """Update all parameters that have a gradient, unless a loss was broken."""
        for part in self.parts:
            part.step()

    def step_tables(self) -> None:
        """Update the rows of tables alone, after whoever has moved the dense parameters."""
        for part in self.of_tables:
            part.step()

    def catch_up(self) -> None:
        """Bring all rows of tables up to date, before anybody reads them outside a step."""
        for part in self.of_tables:
            part.catch_up()

    def release(self) -> None:
        """Let go of the tables: from here on nothing moves a row."""
        for part in self.of_tables:
            part.release()


def make_optimizer(
    model: CTRModel,
    learning_rate: float,
    regularisers: Regularisers,
    *,
    frequency: Tensor,
    steps_per_epoch: int,
) -> ProtocolAdam:
    """The optimiser for a model whose embedding rows occur `frequency` (rows,) times in train."""
    embedding, of_domains = model.embedding, domain_tables(model)
    apart = {id(table.weight) for table in (embedding, *of_domains)}
    rest = [parameter for parameter in model.parameters() if id(parameter) not in apart]
    matrices = [parameter for parameter in rest if parameter.ndim >= 2]
    vectors = [parameter for parameter in rest if parameter.ndim < 2]
    of_rest = [
        DenseAdam(matrices, learning_rate, regularisers.weight_decay),
        DenseAdam(vectors, learning_rate, 0.0),
    ]
    penalty = regularisers.embedding_l2
    if embedding.sparse_gradient:
        per_occurrence = penalty * steps_per_epoch / frequency.clamp(min=1)
        l2 = per_occurrence.to(embedding.weight) if penalty else None  # (rows,)
        return ProtocolAdam(_of_tables(embedding, of_domains, learning_rate, l2), of_rest)
    weights = [table.weight for table in of_domains]
    dense_tables = [
        DenseAdam([embedding.weight], learning_rate, penalty),
        DenseAdam(weights, learning_rate, 0.0),
    ]
    return ProtocolAdam([], [*dense_tables, *of_rest])


def _of_tables(
    embedding: RowTable, of_domains: Sequence[DomainTable], learning_rate: float, l2: Tensor | None
) -> list[RowAdam | DomainAdam | NativeAdam]:
    """The optimisers of tables.

    Native ones where this process uses native kernels, and where shapes must be static those that
    ask the host for nothing.
    """
    if has_static_shapes(embedding.weight):
        apart = [RowAdam(table, learning_rate, is_static=True) for table in of_domains]
        return [RowAdam(embedding, learning_rate, l2=l2, is_static=True), *apart]
    if library := library_for(embedding.weight.detach()):
        fixed = DomainTable.UNSEEN
        own = [NativeAdam(table, learning_rate, library, fixed=fixed) for table in of_domains]
        return [NativeAdam(embedding, learning_rate, library, l2=l2), *own]
    together = [DomainAdam(of_domains, learning_rate)] if of_domains else []
    return [RowAdam(embedding, learning_rate, l2=l2), *together]
