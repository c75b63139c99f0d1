"""The one protocol of all methods, the presets that size it, and what a study changes of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypedDict

from models.config_values import check_at_least

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Activation = Literal["tanh", "relu"]
SelectionMetric = Literal["auc", "gauc"]
SPLIT_SEED = 0  # of the shuffle that splits a log without a timestamp
USUAL_STD = 0.01  # of the embeddings' start, whatever the preset


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """Sizes, optimisation, evaluation grid and selection rule; methods cannot see it.

    `selection_metric` on dev picks checkpoints and tuned values. It is evaluated
    `evaluations_per_epoch` times an epoch, at the same steps for every cell. Only evaluations from
    `first_selectable_epoch` on are candidates for the best checkpoint: no schedule of any method
    runs longer, so that no method has more candidates than another. Training stops after
    `patience_epochs` without a better candidate, or at the cap of `max_epochs`; the best candidate
    is always restored. Both are whole epochs: every method has seen all rows as often.
    Embeddings start at N(0, `embedding_std`^2), whatever the method.
    """

    name: str
    embedding_dim: int
    hidden_dims: tuple[int, ...]
    batch_size: int
    max_fields: int | None
    activation: Activation = "tanh"  # AdaSparse, section 3
    learning_rate: float = 1e-3  # AdaSparse, section 4.1.2, with Adam
    embedding_std: float = USUAL_STD  # above 0; AdaSparse leaves it open
    max_epochs: int = 6
    evaluations_per_epoch: int = 2
    first_selectable_epoch: float = 1.0
    patience_epochs: int = 1
    selection_metric: SelectionMetric = "auc"

    def __post_init__(self) -> None:
        counts = ("max_epochs", "evaluations_per_epoch", "patience_epochs")
        check_at_least(self, 1, "embedding_dim", "batch_size", *counts)
        for name in ("learning_rate", "embedding_std"):
            if not getattr(self, name) > 0.0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")
        if not 0.0 <= self.first_selectable_epoch <= self.max_epochs:
            raise ValueError(
                "first_selectable_epoch must lie in the epochs, 0 to"
                f" {self.max_epochs}, got {self.first_selectable_epoch}"
            )

    @property
    def least_epochs(self) -> int:
        """The epochs of a training in which the first candidate is the best."""
        return min(math.ceil(self.first_selectable_epoch) + self.patience_epochs, self.max_epochs)

    @property
    def patience_evaluations(self) -> int:
        """The number of candidates in a row that may be no better than the best one before."""
        return self.patience_epochs * self.evaluations_per_epoch

    @property
    def sizes(self) -> str:
        """The sizes of models and batches, in words."""
        dims = "-".join(map(str, self.hidden_dims))
        fields = f", at most {self.max_fields} fields" if self.max_fields else ""
        return f"hidden layers {dims}, batch {self.batch_size}{fields}"

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
        """True if the weights after `step` are a candidate for the best checkpoint."""
        return step >= self.first_selectable_epoch * steps_per_epoch


COMPACT = Protocol(
    name="compact", embedding_dim=8, hidden_dims=(64, 32, 16), batch_size=256, max_fields=12
)

SMOKE = replace(COMPACT, name="smoke", max_epochs=2)

# AdaSparse, section 4.1.2, but for the embedding size, which it leaves open
PAPER_PUBLIC = Protocol(
    name="paper_public",
    embedding_dim=16,
    hidden_dims=(128, 64, 32),
    batch_size=256,
    max_fields=None,
)

PAPER_PRODUCTION = Protocol(
    name="paper_production",
    embedding_dim=16,
    hidden_dims=(512, 256, 128),
    batch_size=1024,
    max_fields=None,
)

PAPER = {"public": PAPER_PUBLIC, "production": PAPER_PRODUCTION}


def departures(protocols: Iterable[Protocol]) -> str:
    """The differences of these protocols' sizes from the paper's, in words; empty without any."""
    others = [protocol for protocol in protocols if protocol not in PAPER.values()]
    if not others:
        return ""
    own = " and ".join(protocol.sizes for protocol in others)
    papers = ", ".join(f"{protocol.sizes} on its {log} log" for log, protocol in PAPER.items())
    return (
        f"The sizes are not the paper's: here {own}; there {papers}. The paper leaves the embedding"
        " size open."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """The rules by which trials are proposed, the same for every search.

    Trials are proposed in rounds of `trials_per_round`, each from the results of the rounds before,
    so that the number of processes changes nothing. The first `startup_trials` are random. All
    trials train with `training_seed`, and on a generated log on its draw `draw`; the final runs
    have the seeds and draws from 1 on. The sampler proposes a method's own values. A backbone's
    structure and the regularisers are drawn by the trial's index alone, the same for every method
    on the backbone, and each regulariser is 0 with the chance `zero_share`. Of `sampler_seeds` a
    model's first search has the first, for both kinds of values, and its second search the second.
    """

    trials_per_round: int = 4
    startup_trials: int = 10
    sampler_seeds: tuple[int, ...] = (0, 1)
    training_seed: int = 0
    draw: int = 0
    zero_share: float = 0.5


TUNING = Tuning()


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A budget: protocol, logs, trials, seeds, and rows.

    `data` are the logs if none is named; those with the paper's production log for a model have the
    `production` protocol, if there is one. Of a real log at most `max_train_rows` train rows are
    kept, the latest by time. A generated one has `world_rows` rows in all. A study of several
    worlds is on the first `num_worlds` of them, and has at most `max_changes` changed models of a
    kind, or settings of the protocol, for a backbone and log; a setting is tried with at most
    `most_compared` methods, without it with all. Every search has `num_trials`; logs that only a
    study adds are searched too if `tunes_every_log`, else they take the values that were found on
    the log of the main table. The models of the main table are searched `num_searches` times, which
    shows the luck of one search.
    Without `has_verdicts` its runs are too few and short for any word on a claim of the paper.

    A generated log is a family of draws, and a sentence about it is one about the family: every
    cell is run on the draws 1 to `num_draws`, and searches are on a draw that no table uses. The
    cells of Table 1, on which most claims rest, have `main_seeds` on each draw, those of other
    studies one. On a real log they have `real_main_seeds` and `real_seeds`.
    """

    name: str
    summary: str
    protocol: Protocol
    production: Protocol | None = None
    data: tuple[str, ...] = ("synthetic_production",)
    num_trials: int
    num_searches: int
    num_draws: int
    main_seeds: int
    real_main_seeds: int
    real_seeds: int
    max_train_rows: int | None
    world_rows: int
    num_worlds: int
    max_changes: int | None = None
    most_compared: int | None = None
    tunes_every_log: bool = False
    has_verdicts: bool = True

    @property
    def protocols(self) -> tuple[Protocol, ...]:
        """All protocols that its cells may have."""
        return (self.protocol, *([self.production] if self.production else []))

    def seeds_of(self, *, is_of_table_1: bool, is_generated: bool) -> int:
        """The number of seeds of each cell of a study, on each draw of a generated log."""
        if is_generated:
            return self.main_seeds if is_of_table_1 else 1
        return self.real_main_seeds if is_of_table_1 else self.real_seeds


STANDARD = Preset(
    name="standard",
    summary="both worlds with the sizes of the paper's public experiment",
    protocol=PAPER_PUBLIC,
    data=("synthetic_production", "synthetic_public"),
    num_trials=20,
    num_searches=2,
    num_draws=6,
    main_seeds=3,
    real_main_seeds=10,
    real_seeds=5,
    max_train_rows=None,
    world_rows=660_000,
    num_worlds=5,
)
PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            name="smoke",
            summary="exercises everything, shows nothing",
            protocol=SMOKE,
            num_trials=2,
            num_searches=1,
            num_draws=2,
            main_seeds=1,
            real_main_seeds=2,
            real_seeds=2,
            max_train_rows=4_096,
            world_rows=8_192,
            num_worlds=2,
            max_changes=2,
            most_compared=2,
            has_verdicts=False,
        ),
        Preset(
            name="quick",
            summary="a first comparison on the compact protocol",
            protocol=COMPACT,
            num_trials=4,
            num_searches=1,
            num_draws=4,
            main_seeds=2,
            real_main_seeds=5,
            real_seeds=3,
            max_train_rows=170_000,
            world_rows=120_000,
            num_worlds=2,
            most_compared=2,
        ),
        STANDARD,
        replace(
            STANDARD,
            name="paper",
            summary="the paper's sizes of model and log",
            production=PAPER_PRODUCTION,
            num_draws=10,
            real_seeds=10,
            world_rows=10_900_000,
            tunes_every_log=True,
        ),
    )
}

DEFAULT_PRESET = "quick"
BASES = {protocol.name: protocol for preset in PRESETS.values() for protocol in preset.protocols}


class Setting(TypedDict, total=False):
    """Other values of a protocol's fields."""

    embedding_dim: int
    activation: Activation
    learning_rate: float
    embedding_std: float


SETTINGS: tuple[Setting, ...] = (  # those of a preset's own protocol are no change
    {"embedding_dim": 8},
    {"embedding_dim": 16},
    {"embedding_dim": 32},
    {"activation": "tanh"},
    {"activation": "relu"},
    {"learning_rate": 3e-4},
    {"learning_rate": 1e-3},
    {"learning_rate": 3e-3},
    {"embedding_std": 0.01},
    {"embedding_std": 0.1},
    {"embedding_std": 0.3},
)

SETTING_WORDS = {
    "embedding_dim": "embedding size",
    "activation": "activation",
    "learning_rate": "learning rate",
    "embedding_std": "embedding std",
}


def with_setting(protocol: Protocol, setting: Setting) -> Protocol:
    """The protocol with other values, named after it and them."""
    changed = replace(protocol, **setting)
    words = setting_words(setting_of(changed, protocol))
    return replace(changed, name=", ".join([protocol.name, *words]))


def base_of(protocol: Protocol) -> Protocol:
    """The protocol of a preset whose name it begins with, before the words on what was changed."""
    base = protocol.name.partition(", ")[0]
    return BASES.get(base, protocol)


def setting_of(protocol: Protocol, base: Protocol) -> dict[str, object]:
    """The values of the fields of a `Setting` that differ from those of another protocol."""
    values = {name: getattr(protocol, name) for name in SETTING_WORDS}
    return {name: value for name, value in values.items() if value != getattr(base, name)}


def setting_words(setting: Mapping[str, object]) -> list[str]:
    """A setting in words, such as `embedding size 16`."""
    return [f"{SETTING_WORDS[name]} {value}" for name, value in setting.items()]
