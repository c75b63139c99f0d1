"""The trials of a search: one file each, the best of them, and tuned values of earlier runs."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from benchmark.config import ConfigError, Json, Regularisers, RunConfig
from benchmark.store.files import RecordError, named_damage, read_sealed, write_sealed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from benchmark.store.plan import Search

BEST = "best.json"
SEARCHED = ("dataset", "draw", "partition", "backbone", "method", "num_trials")  # in that file
_CLOCKS = ("seconds", "cpu_seconds")
TrialState = Literal["complete", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One training of a search, on train and dev alone.

    `params` is what was drawn, by names such as `method.inner_rate`; `value` is the dev metric of
    the best checkpoint, None if the trial failed, and then `error` says why in a line and `detail`
    is the traceback, if there is one. `sample_visits` counts
    rows in the loss, `row_passes` forward and backward passes of a row; a method that passes rows
    several times per row in the loss has more of them. Equal trials differ in both `seconds`, of
    the wall clock and of CPU time, and in `environment` alone.
    """

    index: int
    config: RunConfig
    params: Mapping[str, Json]
    state: TrialState
    value: float | None = None
    error: str = ""
    detail: str = ""
    optimizer_steps: int = 0
    epochs: float = 0.0
    sample_visits: int = 0
    row_passes: float = 0.0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    environment: Mapping[str, Json] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """The hyper-parameters that a search chose; a file of them can be given back to a run."""

    backbone_config: Mapping[str, Json]
    method_config: Mapping[str, Json]
    regularisers: Regularisers

    @classmethod
    def of(cls, config: RunConfig) -> Tuned:
        """The hyper-parameters of a run."""
        return cls(
            backbone_config=config.backbone_config,
            method_config=config.method_config,
            regularisers=config.regularisers,
        )

    @property
    def values(self) -> dict[str, Json]:
        """All hyper-parameters, by the names that searches have for them."""
        parts = {
            "backbone": self.backbone_config,
            "method": self.method_config,
            "regularisers": asdict(self.regularisers),
        }
        return {f"{part}.{name}": own[name] for part, own in parts.items() for name in own}


class BestKey(NamedTuple):
    """A tuned model, and which of its searches tuned it; `protocol` is a name."""

    dataset: str
    partition: str
    backbone: str
    method: str
    search: int
    protocol: str


def trial_path(folder: Path, index: int) -> Path:
    """The file of a trial."""
    return folder / f"trial_{index:03}.json"


def write_trial(folder: Path, trial: Trial) -> None:
    """Write a finished or failed trial whole.

    Raises:
        OSError: the folder is not writable or the disk is full.
    """
    content = asdict(trial) | {"config": trial.config.to_json(), "run_id": trial.config.run_id}
    timing = {name: content.pop(name) for name in _CLOCKS}
    environment = content.pop("environment")
    write_sealed(
        trial_path(folder, trial.index), content | {"timing": timing, "environment": environment}
    )


def read_trial(folder: Path, index: int) -> Trial:
    """Read a trial.

    Raises:
        RecordError: it is absent, of another schema version, or was changed since.
    """
    path = trial_path(folder, index)
    content = read_sealed(path)
    with named_damage(path):
        names = Trial.__dataclass_fields__.keys() - {"config", "detail", *_CLOCKS}
        return Trial(
            config=RunConfig.from_json(content["config"]),
            detail=content.get("detail", ""),  # trials of older stores have none
            **{name: content[name] for name in names},
            **{name: content["timing"][name] for name in _CLOCKS},
        )


def read_trials(folder: Path, num_trials: int) -> list[Trial]:
    """The readable trials of a search among its first `num_trials`, by index."""
    trials = []
    for index in range(num_trials):
        try:
            trials.append(read_trial(folder, index))
        except RecordError:
            continue
    return trials


def best_of(trials: Sequence[Trial]) -> Trial | None:
    """The complete trial of the highest value, the earliest of equal ones."""
    complete = [trial for trial in trials if trial.value is not None]
    return max(complete, key=lambda trial: (trial.value, -trial.index), default=None)


def write_best(folder: Path, search: Search, best: Trial) -> None:
    """Write what the search chose, so that it can be given to another run."""
    write_sealed(
        folder / BEST,
        {
            **{name: getattr(search, name) for name in SEARCHED},
            "search": search.number,
            "protocol": best.config.protocol.name,
            "index": best.index,
            "value": best.value,
            "config": asdict(Tuned.of(best.config)),
        },
    )


def read_best(path: Path) -> tuple[BestKey, Tuned]:
    """The model whose chosen values a file holds, and these values.

    Raises:
        RecordError: it is absent, of another schema version, or was changed since.
    """
    content = read_sealed(path)
    with named_damage(path):
        config = content["config"]
        key = BestKey(*(content[name] for name in BestKey._fields))
        return key, Tuned(
            backbone_config=config["backbone_config"],
            method_config=config["method_config"],
            regularisers=Regularisers(**config["regularisers"]),
        )


def unequal(searches: Sequence[Search], counts: Sequence[int]) -> list[str]:
    """One line per cell whose whole budget of trials is not the planned one, or not the others'.

    A cell's budget is that of all searches which lead to it. The others are the cells of the same
    log, on whichever backbone; what most of them plan is the measure.

    Args:
        searches: all searches of a plan.
        counts: the trials that each has, failed ones too.
    """
    done: Counter[str] = Counter()
    planned: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for search, count in zip(searches, counts, strict=True):
        done[search.title] += count
        planned[search.dataset, search.partition][search.title] += search.num_trials
    lines = []
    for budgets in planned.values():
        frequency = Counter(budgets.values())
        usual = max(frequency, key=lambda budget: (frequency[budget], budget))
        for cell, budget in budgets.items():
            if done[cell] != budget:
                lines.append(f"{cell}: {done[cell]} of {budget} trials")
            elif budget != usual:
                lines.append(f"{cell}: {budget} trials, others of its log {usual}")
    return lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """Tuned values of models, each with its file, and the folder that they are from."""

    folder: Path
    values: Mapping[BestKey, tuple[Path, Tuned]]

    def find(self, wanted: BestKey) -> tuple[Path, Tuned]:
        """The file and values of a model: those of its protocol, else those of the only other one.

        Raises:
            ConfigError: there are none, or those of several other protocols.
        """
        if wanted in self.values:
            return self.values[wanted]
        others = [key for key in self.values if key[:-1] == wanted[:-1]]
        if len(others) == 1:
            return self.values[others[0]]
        model = f"{wanted.dataset}/{wanted.partition} {wanted.backbone}+{wanted.method}"
        if not others:
            raise ConfigError(
                f"--tuned {self.folder}: no {BEST} for {model}; tune it first, or leave it out with"
                " --backbones, --methods or --only"
            )
        raise ConfigError(
            f"--tuned {self.folder}: {model} was tuned under the protocols"
            f" {', '.join(key.protocol for key in others)}, and this call is of {wanted.protocol};"
            " name a folder with one of them"
        )


def read_given(folder: Path) -> Given:
    """Read every best.json below a folder, such as the `tuning` of another output folder.

    Raises:
        ConfigError: there is none, or two differ about one model under one protocol.
        RecordError: a file was changed by hand, or is of another schema version.
    """
    values: dict[BestKey, tuple[Path, Tuned]] = {}
    for path in sorted(folder.rglob(BEST)):
        name, tuned = read_best(path)
        first, other = values.setdefault(name, (path, tuned))
        if other != tuned:
            raise ConfigError(
                f"--tuned {folder}: {first} and {path} differ about {'/'.join(map(str, name))};"
                " name a folder with one of them"
            )
    if not values:
        raise ConfigError(f"--tuned {folder}: no {BEST} below it; give the tuning folder of a run")
    return Given(folder=folder, values=values)
