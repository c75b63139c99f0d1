"""Tuned values from an earlier run: the best.json files below a folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmark.config import ConfigError
from benchmark.trials import BEST, read_best

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from benchmark.trials import Tuned


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """Values by data set, partition, backbone and method, and the folder that they are from."""

    folder: Path
    values: Mapping[tuple[str, str, str, str], Tuned]


def read_given(folder: Path) -> Given:
    """Read every best.json below a folder, such as the `tuning` of another output folder.

    Raises:
        ConfigError: there is none, or two differ about one model.
        RecordError: a file was changed by hand, or is of another schema version.
    """
    values: dict[tuple[str, str, str, str], Tuned] = {}
    origin: dict[tuple[str, str, str, str], Path] = {}
    for path in sorted(folder.rglob(BEST)):
        name, tuned = read_best(path)
        if values.setdefault(name, tuned) != tuned:
            raise ConfigError(
                f"--tuned {folder}: {origin[name]} and {path} differ about {'/'.join(name)};"
                " name a folder with one of them"
            )
        origin.setdefault(name, path)
    if not values:
        raise ConfigError(f"--tuned {folder}: no {BEST} below it; give the tuning folder of a run")
    return Given(folder=folder, values=values)
