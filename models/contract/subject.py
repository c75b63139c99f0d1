"""The subjects of the contract: small models of one backbone and method, and random rows."""

from __future__ import annotations

import random
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from datasets.loader import Batch
from datasets.spec import EncodedSchema
from models.ctr_model import CTRModel, ModelConfig
from models.layers.tables import RowTable
from models.own_code import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from models.interfaces import BackboneEntry, MethodEntry

SCHEMA = EncodedSchema(
    fields=("tab", "age", "user", "item"),
    field_sizes=(4, 3, 50, 40),
    num_domain_fields=2,
    bags=("tags",),
    bag_sizes=(12,),
    bag_lengths=(3,),
    num_domains=7,  # each seen tab with each seen age, and id 0
    num_tasks=4,
)
PRIOR = ("user", "item")
CONFIG = ModelConfig(
    embedding_dim=8,
    hidden_dims=(12, 10, 6),
    activation="tanh",
    dropout=0.0,
    embedding_std=0.01,
    sparse_gradient=False,
)
EMBEDDING_SCALE = 50.0  # far from the near-zero start, where everything is almost linear
LEARNING_RATE = 1e-2


class CheckFailure(Exception):  # noqa: N818  (an outcome, and no error of the program)
    """A check that a method fails: the message is the reason in words."""


@contextmanager
def blaming(what: str) -> Iterator[None]:
    """Turn whatever the method's code raises into a failure of the check."""
    try:
        yield
    except CheckFailure:
        raise
    except Exception as error:
        raise CheckFailure(f"{what} raises {one_line(error)}") from error


@contextmanager
def seeded(seed: int = 0) -> Iterator[None]:
    """Seed torch's, numpy's and Python's global generators, as a run does; put them back after."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 (what methods draw from)
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        random.seed(seed)
        try:
            yield
        finally:
            np.random.set_state(numpy)  # noqa: NPY002
            random.setstate(python)


class RandomRows:
    """Random train rows; all domains and tasks that are not 0 occur."""

    def __init__(self, num_rows: int, *, batch_size: int = 64, seed: int = 0) -> None:
        self.batch_size = batch_size
        generator = torch.Generator().manual_seed(seed)

        def codes(low: int, high: int, *shape: int) -> Tensor:
            return torch.randint(
                low, high, (num_rows, *shape), generator=generator, dtype=torch.int32
            )

        sizes, seen = SCHEMA.field_sizes, SCHEMA.num_domain_fields
        fields = [codes(int(i < seen), size) for i, size in enumerate(sizes)]
        self.codes = torch.stack(fields, dim=1)  # (N, F)
        self.bags = tuple(
            codes(-1, size, length)
            for size, length in zip(SCHEMA.bag_sizes, SCHEMA.bag_lengths, strict=True)
        )
        self.task_id = fields[0]  # (N,)
        self.domain_id = 1 + (fields[0] - 1) * (sizes[1] - 1) + (fields[1] - 1)  # (N,)
        self.label = codes(0, 2).to(torch.float32)

    def __len__(self) -> int:
        return len(self.label)

    def batch(self, row_ids: Tensor) -> Batch:
        """Rows by their position."""
        domain_id = self.domain_id[row_ids]
        return Batch(
            codes=self.codes[row_ids],
            bags=tuple(bag[row_ids] for bag in self.bags),
            domain_codes=self.codes[row_ids, : SCHEMA.num_domain_fields],
            domain_id=domain_id,
            task_id=self.task_id[row_ids],
            eval_domain_id=domain_id,
            label=self.label[row_ids],
        )

    def epoch(self, generator: torch.Generator) -> Iterator[Tensor]:
        """All row ids once in random order, by batch."""
        return iter(torch.randperm(len(self), generator=generator).split(self.batch_size))

    def all(self) -> Batch:
        """Every row, in order."""
        return self.batch(torch.arange(len(self)))

    def batches(self) -> list[Batch]:
        """Every row once, in order."""
        return [self.batch(ids) for ids in torch.arange(len(self)).split(self.batch_size)]


def with_unseen_domain(rows: RandomRows) -> RandomRows:
    """The same rows, the first of a domain and task that train has not seen."""
    rows.codes[0, : SCHEMA.num_domain_fields] = 0
    rows.domain_id[0] = rows.task_id[0] = 0
    return rows


@dataclass(frozen=True, slots=True)
class Subject:
    """A method on a backbone, with default hyper-parameters."""

    backbone: BackboneEntry
    method: MethodEntry
    schema: EncodedSchema = SCHEMA
    prior: tuple[str, ...] = PRIOR

    def blank(self) -> CTRModel:
        """A model without its initial values."""
        with blaming("building the model"):
            return CTRModel(
                self.schema,
                CONFIG,
                backbone=(self.backbone, self.backbone.config()),
                method=(self.method, self.method.config()),
                prior=self.prior,
            )

    def model(self, seed: int = 0) -> CTRModel:
        """A model with initial values."""
        model = self.blank()
        fill_by_name(model, seed)
        with torch.no_grad():
            model.embedding.weight.mul_(EMBEDDING_SCALE)
        return model

    def trained(self) -> CTRModel:
        """A model after a few steps, its schedules at the end of an epoch, in eval mode."""
        model = self.model()
        train_briefly(model)
        return model.eval()


def fill_by_name(model: nn.Module, seed: int) -> None:
    """Fill the parameters of every module from a generator named by its place in the model."""
    for name, module in model.named_modules():
        if hasattr(module, "initialise"):
            key = zlib.crc32(f"{seed}/{name}".encode())
            with blaming(f"initialise() of {name}"):
                module.initialise(torch.Generator().manual_seed(key))


class WatchedAdam:
    """Adam that notes which parameters get a gradient, and which rows of tables."""

    def __init__(self, model: nn.Module, rate: float = LEARNING_RATE) -> None:
        self.model = model
        self.adam = torch.optim.Adam(model.parameters(), rate)
        self.steps, self.is_broken = 0, False
        self.reached: dict[str, Tensor] = {}  # by name; of a table (rows,), else ()
        tables = [module for module in model.modules() if isinstance(module, RowTable)]
        self.tables = {id(table.weight) for table in tables}

    def zero_grad(self) -> None:
        """Drop all gradients."""
        self.adam.zero_grad()

    def guard(self, loss: Tensor) -> None:
        """Move nothing from here on, if the loss is broken."""
        self.is_broken = self.is_broken or not bool(loss.isfinite())

    def step(self) -> None:
        """Move the parameters.

        Raises:
            CheckFailure: a gradient is not finite.
        """
        if self.is_broken:
            return
        for name, parameter in self.model.named_parameters():
            if parameter.grad is None:
                continue
            if not parameter.grad.isfinite().all():
                raise CheckFailure(f"the gradient of {name} is not finite")
            reached = parameter.grad != 0
            reached = reached.any(dim=1) if id(parameter) in self.tables else reached.any()
            self.reached[name] = self.reached.get(name, reached) | reached
        self.adam.step()
        self.steps += 1


class IdleOptimizer:
    """An optimiser that moves nothing."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    def zero_grad(self) -> None:
        """Drop all gradients."""
        self.model.zero_grad()

    def guard(self, loss: Tensor) -> None:
        """Stop nothing: nothing moves."""

    def step(self) -> None:
        """Move nothing."""


def train_briefly(model: CTRModel, rows: RandomRows | None = None) -> WatchedAdam:
    """A few steps over batches that cover all domains and tasks; they make one epoch."""
    batches = (rows or RandomRows(256)).batches()
    optimizer = WatchedAdam(model)
    model.train()
    with blaming("training"):
        for number, batch in enumerate(batches, start=1):
            loss = model.method.update(model, batch, optimizer)
            if not isinstance(loss, Tensor) or loss.ndim or loss.requires_grad:
                raise CheckFailure(
                    f"update() returns {loss!r}; it must be the loss, a tensor () that needs no"
                    " gradient"
                )
            if not loss.isfinite():
                raise CheckFailure(f"the loss of a training step is {loss.item()}")
            model.method.after_step(number / len(batches))
    return optimizer
