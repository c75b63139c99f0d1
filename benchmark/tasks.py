"""Tasks of workers and their outcomes: the final run of a cell, or one trial of a search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from benchmark.config import Json, RunConfig
    from datasets.prepare import PreparedData
    from models.layers.kernels.library import Kernels

EpochOrder = Literal["exact", "keyed", "blocks"]  # of the train rows; see `training.epoch_order`
Compiles = Literal["auto", "never", "always"]


@dataclass(frozen=True, slots=True)
class Compute:
    """A device that computes a training, on a CPU the kernels of tables, and the order of rows.

    So many `workers` compute at once, in the memory of one machine. Steps are compiled on a CPU:
    with `auto` those of long trainings, with `always` all, wherever it can be done.
    """

    device: str = "cpu"
    kernels: Kernels | None = None  # None: native ones, where they are built
    workers: int = 1
    row_order: EpochOrder | None = None  # None: as rows and memory ask
    compiles: Compiles = "auto"
    graphs: Path | None = None  # the folder of compiled steps; None: none is compiled


class Task(Protocol):
    """Work for a worker process: it leaves its result in files below `out`."""

    @property
    def data(self) -> PreparedData:
        """The prepared log."""
        ...

    @property
    def out(self) -> Path:
        """The output folder."""
        ...

    @property
    def compute(self) -> Compute:
        """The device that does it, and in which ways."""
        ...

    @property
    def title(self) -> str:
        """The name of the task in messages."""
        ...

    @property
    def short_title(self) -> str:
        """The name of the task in progress lines, without the domains of its log."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The end of a task: `error` is one line, `detail` its traceback; both empty when done."""

    task: Task
    seconds: float
    cpu_seconds: float
    error: str = ""
    detail: str = ""


class TaskSource(Protocol):
    """Gives out tasks as they become ready, and is told how each ended before it is asked again."""

    def take(self) -> Task | None:
        """The next task that is ready; None while there is none."""
        ...

    def settle(self, outcome: Outcome) -> None:
        """Take note of how a task ended."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTask:
    """One run to do: its configuration, its log, the output folder, and what computes it."""

    config: RunConfig
    data: PreparedData
    out: Path
    compute: Compute = Compute()

    @property
    def title(self) -> str:
        """The name of the task in messages."""
        return self.config.title

    @property
    def short_title(self) -> str:
        """The name of the task in progress lines, without the domains of its log."""
        return f"{self.config.short_title} seed {self.config.seed}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialTask:
    """One trial to do; `folder` is that of its search, relative to the output folder."""

    index: int
    params: Mapping[str, Json]
    config: RunConfig
    folder: str
    data: PreparedData
    out: Path
    compute: Compute = Compute()

    @property
    def title(self) -> str:
        """The name of the task in messages."""
        return f"{self.config.title_without_seed} trial {self.index}"

    @property
    def short_title(self) -> str:
        """The name of the task in progress lines, without the domains of its log."""
        return f"{self.config.short_title} trial {self.index}"
