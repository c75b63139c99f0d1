"""The one protocol: every choice that is the same for all methods, and the presets that size it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Activation = Literal["tanh", "relu"]

SPLIT_SEED = 0  # of the shuffle that splits a log without a timestamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """Sizes, optimisation, evaluation grid and selection rule; methods cannot see it.

    Dev AUC is evaluated `evaluations_per_epoch` times an epoch, at the same steps for every cell.
    Only evaluations from `first_selectable_epoch` on are candidates for the best checkpoint: no
    schedule of any method runs longer, so that no method has more candidates than another. Training
    stops after `patience` candidates without a better dev AUC, or after `max_epochs`; the best
    candidate is always restored.
    """

    name: str
    embedding_dim: int
    hidden_dims: tuple[int, ...]
    batch_size: int
    max_fields: int | None
    activation: Activation = "tanh"  # AdaSparse, section 3
    learning_rate: float = 1e-3  # AdaSparse, section 4.1.2, with Adam
    max_epochs: int = 4
    evaluations_per_epoch: int = 2
    first_selectable_epoch: float = 1.0
    patience: int = 3

    def __post_init__(self) -> None:
        for name in (
            "embedding_dim",
            "batch_size",
            "max_epochs",
            "evaluations_per_epoch",
            "patience",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0.0 <= self.first_selectable_epoch <= self.max_epochs:
            raise ValueError(
                "first_selectable_epoch must lie in the epochs, 0 to"
                f" {self.max_epochs}, got {self.first_selectable_epoch}"
            )

    def evaluation_steps(self, steps_per_epoch: int) -> tuple[int, ...]:
        """Optimiser steps after which dev is evaluated; the end of every epoch is among them."""
        count = self.max_epochs * self.evaluations_per_epoch
        marks = range(1, count + 1)
        return tuple(
            sorted(
                {math.ceil(mark * steps_per_epoch / self.evaluations_per_epoch) for mark in marks}
            )
        )

    def is_selectable(self, step: int, steps_per_epoch: int) -> bool:
        """Whether the weights after `step` are a candidate for the best checkpoint."""
        return step >= self.first_selectable_epoch * steps_per_epoch


COMPACT = Protocol(
    name="compact", embedding_dim=8, hidden_dims=(64, 32, 16), batch_size=256, max_fields=12
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A budget: protocol, number of seeds, and rows.

    Of a real log at most `max_train_rows` train rows are kept, the latest by time. A generated one
    has `world_rows` rows in all. A study of several worlds is on the first `num_worlds` of them.
    """

    name: str
    summary: str
    protocol: Protocol
    num_seeds: int
    max_train_rows: int
    world_rows: int
    num_worlds: int


PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            name="smoke",
            summary="exercises everything, shows nothing",
            protocol=COMPACT,
            num_seeds=2,
            max_train_rows=4_096,
            world_rows=8_192,
            num_worlds=5,
        ),
        Preset(
            name="quick",
            summary="a first comparison on the compact protocol",
            protocol=COMPACT,
            num_seeds=3,
            max_train_rows=170_000,
            world_rows=255_000,
            num_worlds=3,
        ),
    )
}
DEFAULT_PRESET = "quick"
