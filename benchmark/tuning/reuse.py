"""Tuned values from an earlier run: the best.json files below a folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmark.config import ConfigError
from benchmark.store.trials import BEST, BestKey, read_best

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from benchmark.store.trials import Tuned


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
