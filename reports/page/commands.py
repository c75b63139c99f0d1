"""The command lines that reproduce a report, part by part, from what its plan and runs say."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.config import log_name
from benchmark.protocol import PRESETS
from reports.reading.keys import REAL, Family
from reports.reading.names import REFERENCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reports.reading.load import Runs

CATALOG = Path(__file__).parents[2] / "datasets" / "catalog"
STUDY_OF_WORLDS = "mechanisms"  # is on generated logs of its own choice
WORLD_PARTITION = "scenario+ad_position+user_profile"  # theirs, unless asked
OUT = "DIR"
REPORT_ONLY = f"python run_all.py --report-only --out {OUT}"


def studies_in(runs: Runs) -> list[str]:
    """The studies of the plan that have cells, in order."""
    return [name for name, slots in runs.studies.items() if slots]


def num_seeds(runs: Runs) -> int:
    """How many different seeds the cells have."""
    return len({cell.config.seed for cell in runs.cells})


class Commands:
    """Makes command lines that run studies as the plan of a report has them.

    The paths of plug-ins and of descriptions of logs are not part of a run: only their file names
    are given.
    """

    def __init__(self, runs: Runs) -> None:
        self._before = ["--preset", runs.preset, "--data", *_data(runs)]
        self._after = _models(runs) + _budget(runs) + _execution(runs)

    def of(self, studies: Sequence[str], *, retry_failed: bool = False) -> str:
        """The line that runs these studies."""
        words = [*self._before, "--only", *studies, *self._after]
        words += ["--retry-failed"] if retry_failed else []
        return shlex.join(["python", "run_all.py", *words, "--out", OUT])


def _data(runs: Runs) -> list[str]:
    """The words of --data: the logs that studies do not bring themselves, where that is known.

    A generated log with the draws of the preset is named without them.
    """
    others = runs.study(*(name for name in runs.studies if name != STUDY_OF_WORLDS)).families
    searched = {Family(entry.search.dataset, entry.search.partition): "" for entry in runs.searches}
    families = list(others or searched or runs.families)
    return [_word(family, draw) for family in families for draw in _draws(runs, family)]


def _draws(runs: Runs, family: Family) -> list[int | None]:
    """The draws that a word has to name: those of a generated log, if they are not the preset's."""
    usual = range(1, PRESETS[runs.preset].num_draws + 1)
    draws = list(runs.families[family]) if family in runs.families else []
    return [None] if draws in ([], [REAL], list(usual)) else [*draws]


def _word(family: Family, draw: int | None) -> str:
    dataset, partition = family
    if not (CATALOG / f"{dataset}.py").is_file():
        return f"{dataset}.toml"
    log = log_name(dataset, draw)
    return log if partition == WORLD_PARTITION else f"{log}/{partition}"


def _models(runs: Runs) -> list[str]:
    """Backbones and methods, in the order of the plan, and the files of those from elsewhere."""
    networks = [cell.config for cell in runs.cells if cell.config.method != REFERENCE]
    plugins = {f"{name}.py" for config in networks for name in config.plugins}
    return [
        *_flag("--backbones", dict.fromkeys(config.backbone for config in networks)),
        *_flag("--methods", dict.fromkeys(config.method for config in networks)),
        *(word for name in sorted(plugins) for word in ("--plugin", name)),
    ]


def _budget(runs: Runs) -> list[str]:
    """Seeds, trials and rows, where they are not the preset's."""
    preset = PRESETS[runs.preset]
    seeds = {
        (name, log.draw != REAL): num_seeds(runs.study(name).of_log(log))
        for name in studies_in(runs)
        for log in runs.study(name).fingerprints
    }
    is_usual = all(
        num == preset.seeds_of(name, is_generated=is_generated)
        for (name, is_generated), num in seeds.items()
    )
    trials = max((entry.search.num_trials for entry in runs.searches), default=0)
    words = _flag("--seeds", [] if is_usual else [max(seeds.values())])
    if runs.tuned_from:
        words += ["--tuned", runs.tuned_from]
    else:
        words += _flag("--trials", [trials] if trials != preset.num_trials else [])
    return words + _flag("--world-rows", _world_rows(runs) - {preset.world_rows})


def _world_rows(runs: Runs) -> set[int]:
    """The rows of the generated logs."""
    found = {cell.config.world_rows for cell in runs.cells}
    return {rows for rows in found if rows is not None}


def _execution(runs: Runs) -> list[str]:
    """Optimiser and device, where they are not the usual ones."""
    optimizers = {cell.config.embedding_optimizer for cell in runs.cells}
    devices = {str(environment["device"]).split(":")[0] for environment in runs.environments()}
    words = _flag("--embedding-optimizer", optimizers - {"sparse"})
    return words + _flag("--device", devices & {"cuda"})


def _flag(name: str, values: Iterable[object]) -> list[str]:
    """The flag with its values; nothing without a value."""
    words = list(map(str, values))
    return [name, *words] if words else []
