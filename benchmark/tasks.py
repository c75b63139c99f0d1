"""What workers do: the final run of a cell, or one trial of a search.

What a task needs to run it imports as it runs: torch is slow to import, and the parent needs none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmark.references.registry import is_reference

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from benchmark.config import Json, RunConfig
    from datasets.prepare import PreparedData


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One run to do: its configuration, its prepared log, the output folder and the device."""

    config: RunConfig
    data: PreparedData
    out: Path
    device: str

    @property
    def title(self) -> str:
        """How messages name it."""
        return self.config.title

    def run(self) -> None:
        """Leave the run folder."""
        if is_reference(self.config.backbone):
            from benchmark.references.runner import run_reference_cell

            run_reference_cell(self)
        else:
            from benchmark.runner import run_cell

            run_cell(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialTask:
    """One trial to do; `folder` is that of its search, relative to the output folder."""

    index: int
    params: Mapping[str, Json]
    config: RunConfig
    folder: str
    data: PreparedData
    out: Path
    device: str

    @property
    def title(self) -> str:
        """How messages name it."""
        return f"{self.config.title_without_seed} trial {self.index}"

    def run(self) -> None:
        """Leave the file of the trial."""
        if is_reference(self.config.backbone):
            from benchmark.references.runner import run_reference_trial

            run_reference_trial(self)
        else:
            from benchmark.runner import run_trial

            run_trial(self)
