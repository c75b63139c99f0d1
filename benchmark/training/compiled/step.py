"""The step of a training whose dense part is a compiled graph."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from benchmark.training.compiled.built import has_compiler, library_of
from benchmark.training.compiled.graph import DenseState, Inputs, columns_of, state_of, traced
from benchmark.training.seeding import restored_streams
from models.interfaces import DomainMethod
from models.layers.tables import domain_tables
from models.own_code import one_line

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.tasks import Compute
    from benchmark.training.optimizers import ProtocolAdam
    from datasets.loader import Batch
    from models.ctr_model import CTRModel
    from models.interfaces import TrainRows

# To build a graph takes 10 to 26 CPU seconds, and a step saves 0.5 ms (plain DNN) to 4 ms (MAML).
# The seeds, draws and most trials of a cell share one.
LEAST_STEPS = 5_000
TOLERANCE = 1e-2  # of losses and first moments, which rounding moves by less than 1e-5

logger = logging.getLogger(__name__)


class CompiledStepError(RuntimeError):
    """A compiled step does something else than the step of its method."""


class CompiledStep:
    """The update of a method: looks rows up, runs a graph on them, and has their table move them.

    It takes batches of one size. Results differ from those of `DomainMethod.update` by rounding.
    """

    def __init__(
        self, model: CTRModel, optimizer: ProtocolAdam, batch: Batch, graphs: Path
    ) -> None:
        """Trace and build the step of a model for batches like this one; nothing is moved.

        Raises:
            Exception: it cannot be traced or built.
        """
        self._model, self._optimizer, self._batch_size = model, optimizer, len(batch)
        self._state = state = state_of(model, optimizer)
        self._leaves: list[Tensor] = pytree.tree_leaves(state)
        ids, weight = model.embedding.ids(batch), model.embedding.weight
        rows = weight.new_zeros(*ids.shape, weight.shape[1])
        inputs = Inputs(rows, columns_of(batch), state)
        (rate,) = {part.learning_rate for part in optimizer.of_rest}
        self._run = library_of(traced(model, rate, inputs), inputs.tensors, graphs)

    def fits(self, batch: Batch) -> bool:
        """True for a batch of its size."""
        return len(batch) == self._batch_size

    def update(self, batch: Batch) -> Tensor:
        """One optimiser step; returns the loss () without any penalty."""
        self._optimizer.zero_grad()
        ids, weight = self._model.embedding.ids(batch), self._model.embedding.weight
        loss, gradient = self._graph(batch, ids, self._leaves)
        values = gradient.view(-1, weight.shape[1])
        weight.grad = torch.sparse_coo_tensor(
            ids.flatten().unsqueeze(0), values, weight.shape, check_invariants=False
        )
        self._optimizer.step_tables()
        return loss

    def check_loss(self, batch: Batch) -> None:
        """Compare the graph's loss of a batch with the method's own; both draw the same numbers.

        Raises:
            CompiledStepError: they differ by more than rounding.
        """
        found, _ = self._on_copies(batch)
        _compare([found], [self._model.method.loss(self._model, batch).detach()])

    def checked_update(self, batch: Batch) -> Tensor:
        """One optimiser step by the method itself, compared with what the graph does to copies.

        Raises:
            CompiledStepError: the losses or the first moments differ by more than rounding.
        """
        found, moved = self._on_copies(batch)
        loss = self._model.method.update(self._model, batch, self._optimizer)
        _compare([found], [loss])
        _compare(_moments(moved), _moments(self._state))
        return loss

    def _on_copies(self, batch: Batch) -> tuple[Tensor, DenseState]:
        """The loss () of a batch, and the state after its step."""
        state: DenseState = pytree.tree_map(torch.clone, self._state)
        with torch.random.fork_rng(devices=[]):
            ids = self._model.embedding.ids(batch)
            loss, _ = self._graph(batch, ids, pytree.tree_leaves(state))
        return loss, state

    @torch.no_grad()
    def _graph(self, batch: Batch, ids: Tensor, state: list[Tensor]) -> tuple[Tensor, Tensor]:
        """The loss () and the gradient (B, C, K) of the rows; moves `state`."""
        rows = self._model.embedding.look_up(ids)
        loss, gradient = self._run([rows, *pytree.tree_leaves(columns_of(batch)), *state])
        return loss, gradient


def _moments(state: DenseState) -> list[Tensor]:
    return [first for part in state.parts for first in part.first]


def _compare(found: list[Tensor], own: list[Tensor]) -> None:
    found_values, values = (torch.cat([t.flatten() for t in group]) for group in (found, own))
    share = (found_values - values).norm() / values.norm()
    if share > TOLERANCE:
        raise CompiledStepError(
            f"the compiled step departs by a share of {share:.2g} from the method's own, whose loss"
            " depends on numbers that are no tensors, such as a schedule; keep them in buffers, or"
            " use --compile never"
        )


def is_compiled(model: CTRModel, most_steps: int, compute: Compute) -> bool:
    """True if steps of a training are to be compiled, wherever they can be traced and built.

    They are not where it does not pay, and for methods with tables of domains, which native kernels
    serve better.
    """
    is_asked = compute.compiles == "always" or (
        compute.compiles == "auto" and most_steps >= LEAST_STEPS and has_compiler()
    )
    return (
        is_asked
        and compute.device == "cpu"
        and type(model.method).update is DomainMethod.update
        and model.embedding.sparse_gradient
        and not domain_tables(model)
    )


def compiled_step(
    model: CTRModel,
    optimizer: ProtocolAdam,
    rows: TrainRows,
    most_steps: int,
    compute: Compute,
) -> CompiledStep | None:
    """The compiled step of a training of `most_steps`; None where the method's own is used."""
    is_whole = len(rows) >= rows.batch_size  # a batch
    if compute.graphs is None or not is_whole or not is_compiled(model, most_steps, compute):
        return None
    model.train()
    batch = rows.batch(torch.arange(rows.batch_size))
    try:
        with restored_streams():
            step = CompiledStep(model, optimizer, batch, compute.graphs)
            step.check_loss(batch)
    except Exception as error:  # whatever torch's compiler or the code of a method raises
        logger.warning("the step is not compiled: %s", one_line(error))
        return None
    return step
