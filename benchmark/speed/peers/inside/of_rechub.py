"""torch-rechub: its ranking models and its trainer."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch_rechub.basic.features import DenseFeature, SparseFeature
from torch_rechub.models.ranking import DCNv2, WideDeep
from torch_rechub.trainers import CTRTrainer
from torch_rechub.utils.data import DataGenerator

from benchmark.speed.peers.inside.passes import PeerModel

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from benchmark.speed.peers.task import PeerTask

VERSION = metadata.version("torch-rechub")
CONSTANT = "constant"  # one number for the wide part, which cannot be empty
NUM_CROSS_LAYERS = 3


class RechubModel(PeerModel):
    """A ranking model, trained by `CTRTrainer.train_one_epoch`.

    The DNN is `WideDeep` with one number in its wide part. Towers have batch normalisation, always.
    """

    def __init__(self, task: PeerTask) -> None:
        super().__init__(task)
        self.trainer = CTRTrainer(self.trained)
        self.criterion = torch.nn.BCELoss()

    def make(self) -> nn.Module:
        task = self.task
        features = [
            SparseFeature(name, vocab_size=size, embed_dim=task.embedding_dim)
            for name, size in zip(task.fields, task.field_sizes, strict=True)
        ]
        tower = {"dims": list(task.hidden_dims), "dropout": 0.0, "activation": "relu"}
        if task.model == "DNN":
            return WideDeep([DenseFeature(CONSTANT)], features, tower)
        is_mixture = {"DCNv2": False, "DCNv2 mixture": True}[task.model]
        return DCNv2(features, NUM_CROSS_LAYERS, tower, use_low_rank_mixture=is_mixture)

    def loader(self, rows: NDArray[np.int64]) -> Iterable[Any]:
        columns = dict(zip(self.task.fields, rows.T[:-1], strict=True))
        if self.task.model == "DNN":
            columns[CONSTANT] = np.ones(len(rows), np.float32)
        data = DataGenerator(columns, rows[:, -1])
        return data.generate_dataloader(batch_size=self.task.batch_size)[0]

    def train(self, batches: Iterable[Any]) -> None:
        self.trainer.train_one_epoch(batches)

    def loss(self, batch: Any) -> Tensor:
        columns, label = batch
        return self.criterion(self.bare(columns), label.float())


MODEL = RechubModel
