"""Studies: each is a file of this folder that exports `STUDY`, and has its name."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

from benchmark.config import ConfigError
from benchmark.planning.studies._study import WORLDS, Change, Study, settings_of

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["STUDIES", "WORLDS", "Change", "Study", "settings_of", "studies_named"]


def _load() -> dict[str, Study]:
    """The studies by name, in their order."""
    names = [name for _, name, _ in pkgutil.iter_modules(__path__) if not name.startswith("_")]
    found = {name: importlib.import_module(f"{__name__}.{name}").STUDY for name in names}
    return dict(sorted(found.items(), key=lambda item: (item[1].order, item[0])))


STUDIES: dict[str, Study] = _load()


def studies_named(names: Sequence[str], data: Sequence[str]) -> list[str]:
    """The studies of these names, in order.

    With a study come those beside it. Without a name all, but those with others beside them, and
    those with worlds of their own only if one of them is in `--data`.

    Raises:
        ConfigError: an unknown name.
    """
    unknown = [name for name in names if name not in STUDIES]
    if unknown:
        raise ConfigError(
            f"--only: unknown study {unknown[0]!r}; available: {', '.join(STUDIES)}, and the tables"
            " and figures that --list tables and --list figures name"
        )
    if names:
        wanted = {*names, *(other for name in names for other in STUDIES[name].beside)}
        return [name for name in STUDIES if name in wanted]
    return [
        name
        for name, study in STUDIES.items()
        if not study.beside and (not study.worlds or not set(study.worlds).isdisjoint(data))
    ]
