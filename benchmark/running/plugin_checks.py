"""The contract of the plug-ins of a call, which is tried before its first training."""

from __future__ import annotations

from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, NamedTuple

from benchmark.running.local import make_pool, stop_workers
from models.registry import import_file, plugins

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmark.planning.selection import Selection
    from benchmark.running.schedule import Agenda
    from models.registry import Kind

MOST_SECONDS = 120.0  # that the checks of a plug-in may take; usual ones take five


class Chosen(NamedTuple):
    """A plug-in of a call, and what the call puts it together with."""

    kind: Kind
    name: str
    partners: tuple[str, ...]

    @property
    def title(self) -> str:
        """The plug-in in messages."""
        return f"{self.kind.removesuffix('s')} {self.name}"


def check_plugins(agenda: Agenda, selection: Selection) -> Iterator[str]:
    """Check each plug-in of a call and keep what is found for the plan; lines on how it goes.

    A failure is a warning, and the run goes on. Where nothing is left to run, what the last plan
    holds stands.
    """
    chosen = _chosen(selection)
    known = {one.title: agenda.plugin_checks.get(one.title) for one in chosen}
    if agenda.num_open or None in known.values():
        known = {}
        for one in chosen:
            known[one.title] = lines = _checked(one)
            yield from [f"WARNING: {line}" for line in lines] or [
                f"{one.title}: keeps the contract"
            ]
    agenda.plugin_checks = {title: lines for title, lines in known.items() if lines is not None}


def _chosen(selection: Selection) -> list[Chosen]:
    """The plug-ins that a call runs, methods first."""
    found, backbones, methods = plugins(), tuple(selection.backbones), tuple(selection.methods)
    return [
        *(Chosen("methods", name, backbones) for name in methods if name in found["methods"]),
        *(Chosen("backbones", name, methods) for name in backbones if name in found["backbones"]),
    ]


def _checked(one: Chosen) -> tuple[str, ...]:
    """A line per check that a plug-in fails; in a process of its own, which it may end or stop."""
    with make_pool(1) as pool:
        try:
            return pool.submit(failed_checks, one).result(MOST_SECONDS)
        except TimeoutError:
            problem = f"takes more than {MOST_SECONDS:.0f} s"
        except BrokenProcessPool:
            problem = "ends its process"
        finally:
            stop_workers()
    return (f"{one.title}: the check of the contract {problem}; {_advice(one)}",)


def failed_checks(one: Chosen) -> tuple[str, ...]:
    """A line per check that a plug-in fails: which, with what, the reason, and what to do."""
    import torch  # slow, and the parent needs none

    from models.check import check_with

    torch.set_num_threads(1)
    failed: dict[str, list[str]] = {}
    reasons: dict[str, str] = {}
    module = import_file(Path(plugins()[one.kind][one.name]))
    for check, partner, is_passed, reason in check_with(module, one.kind, one.partners):
        if not is_passed:
            failed.setdefault(check, []).append(partner)
            reasons.setdefault(check, reason)
    return tuple(
        f"{one.title}: fails the check {check!r} of the contract with {', '.join(partners)}:"
        f" {reasons[check]}; {_advice(one)}"
        for check, partners in failed.items()
    )


def _advice(one: Chosen) -> str:
    path, here = Path(plugins()[one.kind][one.name]), Path.cwd()
    shown = path.relative_to(here) if path.is_relative_to(here) else path
    return (
        "its numbers may be wrong, so mend it and try it with `python -m models.check"
        f" {quote(str(shown))}`"
    )
