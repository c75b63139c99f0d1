"""Passes of a peer's model over its rows, in each window."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray
    from torch import Tensor

    from benchmark.speed.peers.task import PeerTask, Window

LEARNING_RATE = 1e-3


class PeerModel(ABC):
    """One model of a peer; a subclass says how the peer builds, loads and trains.

    It is made twice: for the windows of the peer's own training, and for its compute alone, where
    the gradients of tables are sparse.
    """

    def __init__(self, task: PeerTask) -> None:
        self.task = task
        self.rows: NDArray[np.int64] = np.load(task.rows, mmap_mode="r")
        self.trained: Any = self.make()
        self.bare: Any = self.make().train()
        tables = [part for part in self.bare.modules() if isinstance(part, nn.Embedding)]
        for table in tables:
            table.sparse = True
        apart = {id(table.weight) for table in tables}
        dense = [values for values in self.bare.parameters() if id(values) not in apart]
        self.optimizer = torch.optim.Adam(dense, lr=LEARNING_RATE, fused=True)

    def a_pass(self, window: Window, index: int) -> Callable[[], None]:
        """A pass over the rows with this index; what is made beforehand is not in the call."""
        loader = self.loader(np.array(self.rows[self.task.span(index)]))
        if window == "with_loader":
            return partial(self.train, loader)
        return partial(self.train if window == "documented" else self.compute, list(loader))

    def compute(self, batches: Iterable[Any]) -> None:
        """Forward and backward passes, and Adam on the dense parameters."""
        for batch in batches:
            self.bare.zero_grad()
            self.loss(batch).backward()
            self.optimizer.step()

    @abstractmethod
    def make(self) -> nn.Module:
        """The model with the sizes of the task, all else as the peer sets it by default."""

    @abstractmethod
    def loader(self, rows: NDArray[np.int64]) -> Iterable[Any]:
        """The peer's own loader of these rows, in this process."""

    @abstractmethod
    def train(self, batches: Iterable[Any]) -> None:
        """The peer's own training loop over these batches."""

    @abstractmethod
    def loss(self, batch: Any) -> Tensor:
        """The log-loss of a batch in `bare`."""
