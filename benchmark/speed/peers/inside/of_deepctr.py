"""DeepCTR-Torch: its models and their `fit`."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np
import torch
from deepctr_torch.inputs import SparseFeat
from deepctr_torch.models import DCN, WDL, DCNMix
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from benchmark.speed.peers.inside.passes import PeerModel

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from benchmark.speed.peers.task import PeerTask

VERSION = metadata.version("deepctr-torch")
NUM_CROSS_LAYERS = 3


class DeepCTRModel(PeerModel):
    """A model without its wide part, trained by `fit` as in the quick start of its guide.

    The DNN is `WDL`. `fit` makes its own loader, so `loader` makes an equal one, which `fit` finds
    in place of that.
    """

    def __init__(self, task: PeerTask) -> None:
        super().__init__(task)
        self.trained.compile("adam", "binary_crossentropy", metrics=["binary_crossentropy"])

    def make(self) -> nn.Module:
        task = self.task
        columns = [
            SparseFeat(name, vocabulary_size=size, embedding_dim=task.embedding_dim)
            for name, size in zip(task.fields, task.field_sizes, strict=True)
        ]
        if task.model == "DNN":
            return WDL([], columns, dnn_hidden_units=task.hidden_dims)
        cross = {"cross_num": NUM_CROSS_LAYERS, "dnn_hidden_units": task.hidden_dims}
        if task.model == "DCNv2 mixture":
            return DCNMix([], columns, **cross)
        return DCN([], columns, cross_parameterization="matrix", **cross)

    def loader(self, rows: NDArray[np.int64]) -> Iterable[Any]:
        parts = (torch.from_numpy(rows[:, :-1]), torch.from_numpy(rows[:, -1:]))
        return DataLoader(TensorDataset(*parts), shuffle=True, batch_size=self.task.batch_size)

    def train(self, batches: Iterable[Any]) -> None:
        one_row = [np.zeros(1, np.int64) for _ in self.task.fields]
        with mock.patch("deepctr_torch.models.basemodel.DataLoader", return_value=batches):
            self.trained.fit(one_row, np.zeros((1, 1)), epochs=1, verbose=2)

    def loss(self, batch: Any) -> Tensor:
        codes, label = batch
        p_ctr = self.bare(codes.float())
        return functional.binary_cross_entropy(p_ctr, label.float(), reduction="sum")


MODEL = DeepCTRModel
