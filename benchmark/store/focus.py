"""The model in focus: what `--focus` may name, and where an output folder keeps it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from benchmark.config import ConfigError
from benchmark.store.plan import read_plan, write_plan

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmark.store.records import RunStore

FLAG = "--focus"  # of the call in a plan


def is_in_focus(name: str, backbone: str, method: str) -> bool:
    """True of the model that a focus names: a method, perhaps as `backbone+method`."""
    return name in (method, f"{backbone}+{method}")


def check_focus(name: str, models: Iterable[tuple[str, str]]) -> None:
    """Refuse a focus that is none of the models of Table 1, each a backbone and a method.

    Raises:
        ConfigError: it is none of them.
    """
    known = [*models]
    names = [*dict.fromkeys(method for _, method in known), *map("+".join, known)]
    if name not in names:
        raise ConfigError(
            f"{FLAG} {name}: Table 1 has no such model; available: {', '.join(names) or 'none'}"
        )


def keep_focus(store: RunStore, name: str) -> None:
    """Write a focus into the plan of the last call, as if that had named it.

    Raises:
        ConfigError: the plan has no such model.
        RecordError: there is no plan, or it cannot be read.
        OSError: the output folder cannot be written.
    """
    plan = read_plan(store.out)
    main = [plan.slots[slot] for slot in plan.studies.get("main", ())]
    check_focus(name, sorted({(config.backbone, config.method) for config in main}))
    if plan.call.get(FLAG) != name:
        write_plan(store, replace(plan, call={**plan.call, FLAG: name}))
