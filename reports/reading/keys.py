"""Names of logs, cells and runs, as tables have them in columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from benchmark.config import RunConfig
from benchmark.store.records import RunRecord, SlotState

REAL = 0  # the draw of a log that was not drawn


class Replicate(NamedTuple):
    """A run of a cell: the draw of its log, `REAL` of a real one, and its seed."""

    draw: int
    seed: int


class Family(NamedTuple):
    """The log of a table: a real one, or all draws of a generated one."""

    dataset: str
    partition: str


class Block(NamedTuple):
    """A log and a backbone, whose models are compared with each other."""

    dataset: str
    partition: str
    backbone: str

    @property
    def family(self) -> Family:
        """The log."""
        return Family(self.dataset, self.partition)


class Log(NamedTuple):
    """One prepared log; the draws of a generated one are several."""

    dataset: str
    partition: str
    draw: int

    @property
    def family(self) -> Family:
        """The log without its draw."""
        return Family(self.dataset, self.partition)


REPLICATE = list(Replicate._fields)
DATA = list(Family._fields)
BLOCK = list(Block._fields)
MODEL = [*BLOCK, "method"]
CELL = [*MODEL, "changes"]  # what a study changed, empty for the main cell


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One slot of the plan; `reason` says why it is not done, `record` is there when it is.

    `changes` says in words what a study changed about the main cell of the model.
    """

    config: RunConfig
    slot_id: str
    run_id: str
    state: SlotState
    changes: str = ""
    reason: str = ""
    record: RunRecord | None = None

    @property
    def key(self) -> tuple[str, ...]:
        """The values of `CELL`."""
        config = self.config
        return (
            *(config.dataset, partition_of(config)),
            *(config.backbone, config.method, self.changes),
        )

    @property
    def replicate(self) -> Replicate:
        """The draw and seed of the run."""
        return Replicate(draw_of(self.config), self.config.seed)


def partition_of(config: RunConfig) -> str:
    """The partition's name, such as `tab+user_active_degree`."""
    return "+".join(config.partition)


def draw_of(config: RunConfig) -> int:
    """The draw of a run's log."""
    return REAL if config.draw is None else config.draw


def family_of(config: RunConfig) -> Family:
    """The log of a run, whichever its draw."""
    return Family(config.dataset, partition_of(config))


def log_of(config: RunConfig) -> Log:
    """The log of a run."""
    return Log(config.dataset, partition_of(config), draw_of(config))
