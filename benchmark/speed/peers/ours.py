"""Passes of our models over the rows of a task, in each window, and their bare matrix products."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import torch

from benchmark.cost.random_log import config_on, optimizer_on, protocol_of
from benchmark.speed.peers.products import products_of
from benchmark.training.build import build
from benchmark.training.optimizers import DenseAdam
from benchmark.training.trainer import TrainSplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from benchmark.config import Json, RunConfig
    from benchmark.speed.peers.task import PeerTask, Window
    from datasets.loader import Batch, EncodedRows
    from datasets.spec import EncodedSchema


@dataclass(frozen=True, slots=True)
class Design:
    """One of our models, all else at its defaults but `relu`, which is the default of all peers."""

    backbone: str
    backbone_options: Mapping[str, Json] = field(default_factory=dict)
    method: str = "plain"
    method_options: Mapping[str, Json] = field(default_factory=dict)

    def config(self, schema: EncodedSchema, batch_size: int) -> RunConfig:
        """The cell of this model."""
        protocol = replace(protocol_of(batch_size), activation="relu")
        config = config_on(schema, protocol, self.backbone, self.method, self.method_options)
        return replace(config, backbone_config={**config.backbone_config, **self.backbone_options})


DESIGNS = {
    "DNN": Design("dnn"),
    "DCNv2": Design("dcnv2"),
    "DCNv2 mixture": Design("dcnv2", {"cross": "moe"}),
    "DCNv2 +APG by h": Design("dcnv2", method="apg", method_options={"condition": "h"}),
    "DCNv2 +APG by e_d": Design("dcnv2", method="apg", method_options={"condition": "e_d"}),
}


class OurModel:
    """One of our models, made twice: to be trained, and for its compute alone."""

    def __init__(self, task: PeerTask, rows: EncodedRows) -> None:
        self.task, self.rows = task, rows
        config = DESIGNS[task.model].config(rows.schema, task.batch_size)
        self.trained, self.bare = (build(config, rows.schema, 0.5).train() for _ in range(2))
        self.optimizer = optimizer_on(self.trained, config)
        whole = optimizer_on(self.bare, config)
        whole.release()
        self.dense = [part for part in whole.parts if isinstance(part, DenseAdam)]

    def a_pass(self, window: Window, index: int) -> Callable[[], None]:
        """A pass over the rows with this index; what is made beforehand is not in the call."""
        loader = self._loader(index)
        if window == "with_loader":
            return partial(self._train, loader)
        return partial(self._train if window == "documented" else self._compute, list(loader))

    def products(self, index: int) -> Callable[[], None]:
        """The bare matrix products of as many steps as a pass has."""
        batches = list(self._loader(index))
        multiply = products_of(partial(self._compute, batches[:1]))

        def repeat() -> None:
            for _ in batches:
                multiply()

        return repeat

    def _loader(self, index: int) -> Iterable[Batch]:
        span = self.task.span(index)
        split = TrainSplit(self.rows, range(span.start, span.stop), self.task.batch_size)
        order = self.trained.method.batches(split, torch.Generator().manual_seed(index))
        return map(split.batch, order)

    def _train(self, batches: Iterable[Batch]) -> None:
        method = self.trained.method
        for batch in batches:
            method.update(self.trained, batch, self.optimizer)
            method.after_step(0.5)

    def _compute(self, batches: Iterable[Batch]) -> None:
        for batch in batches:
            self.bare.zero_grad()
            torch.autograd.backward(self.bare.method.loss(self.bare, batch))
            for part in self.dense:
                part.step()
