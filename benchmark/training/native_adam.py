"""Adam row by row by native kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from benchmark.training import adam
from models.layers.kernels.rows import Adam, NativeRows

if TYPE_CHECKING:
    from torch import Tensor

    from models.layers.kernels.library import Library
    from models.layers.tables import RowTable


class NativeAdam:
    """Adam for one table on a CPU: `RowAdam`, or `DomainAdam` for one table, in native kernels.

    Results differ from theirs by the rounding of float32, which is tested.
    """

    @property
    def is_broken(self) -> Tensor | None:
        """The flag () that stops all moves where it is 1.0, if there is one."""
        return self.rows.is_broken

    @is_broken.setter
    def is_broken(self, flag: Tensor) -> None:
        self.rows.is_broken = flag

    def __init__(
        self,
        table: RowTable,
        learning_rate: float,
        library: Library,
        *,
        l2: Tensor | None = None,
        fixed: int | None = None,
    ) -> None:
        """Prepare for a table; `l2` as in `RowAdam`, `fixed` is a row that never moves."""
        self.table = table
        self.parameters = [table.weight]
        missed = torch.tensor(adam.missed(), dtype=torch.float64).t()  # (2, S)
        constants = Adam(learning_rate, adam.BETAS, adam.EPSILON, adam.DECAY, missed)
        self.rows = NativeRows(table.weight, constants, library, l2=l2, fixed=fixed)
        table.native = self.rows

    def step(self) -> None:
        """Update the rows in the table's sparse gradient; duplicates are summed."""
        self.rows.step(self.table.weight.grad)

    def catch_up(self) -> None:
        """Bring all rows up to date."""
        self.rows.catch_up()

    def release(self) -> None:
        """Let go of the table, whose rows stay where they are."""
        self.table.native = None
