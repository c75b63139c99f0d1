"""Checks the file of a method or backbone by the contract: `python -m models.check FILE.py`."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch

from datasets.command_line import FAILED, OK, Parser, exit_code
from models.contract.checks import CHECKS, check_docstrings
from models.contract.subject import CheckFailure, Subject, blaming
from models.registry import (
    PluginError,
    available,
    check_constant,
    import_file,
    kind_of,
    load_backbone,
    load_method,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from types import ModuleType

    from models.registry import Kind

DESCRIPTION = (
    "Checks a method file against the contract that every method keeps, on each backbone, or a"
    " backbone file with each method."
)
EPILOG = "exit codes: 0 all checks pass; 1 some fail; 2 the file cannot be loaded, or bad usage"
PARTNERS: dict[Kind, Kind] = {"methods": "backbones", "backbones": "methods"}


class Checked(NamedTuple):
    """The outcome of a check of a plug-in with a `partner`: the reason of a failure, or a remark.

    The partner is a backbone or method of the other kind; `-` where the file alone is checked.
    """

    check: str
    partner: str
    is_passed: bool
    remark: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Check a file and print a table; returns the exit code."""
    parser = Parser(prog="python -m models.check", description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument(
        "file", type=Path, metavar="FILE.py", help="a file that exports METHOD or BACKBONE"
    )
    args = parser.parse_args(arguments)
    return exit_code(parser.prog, partial(_print_checks, args.file), PluginError)


def _print_checks(path: Path) -> int:
    torch.set_num_threads(1)  # threads only wait for each other on models this small
    kind, results = kind_of(import_file(path), path), check_file(path)
    head, width = PARTNERS[kind].removesuffix("s"), max(map(len, CHECKS))
    column = max(map(len, (head, *available(PARTNERS[kind])))) + 2
    passed: list[bool] = []
    for check, partner, is_passed, remark in results:
        if not passed:
            sys.stdout.write(f"{'check':{width}}  {head:{column}}result  reason\n")
        result = "pass" if is_passed else "FAIL"
        line = f"{check:{width}}  {partner:{column}}{result}    {remark}"
        sys.stdout.write(line.rstrip() + "\n")
        passed.append(is_passed)
    sys.stdout.write(f"{path}: {sum(passed)} of {len(passed)} checks pass\n")
    return OK if all(passed) else FAILED


def check_file(path: Path) -> Iterator[Checked]:
    """Check the file of a method or backbone, with all there is of the other kind.

    Raises:
        PluginError: the file cannot be loaded or exports neither.
    """
    module = import_file(path)
    kind = kind_of(module, path)
    check_constant(module, kind)
    yield Checked("docstrings", "-", *outcome(partial(check_docstrings, module), kind))
    yield from check_with(module, kind, available(PARTNERS[kind]))


def check_with(module: ModuleType, kind: Kind, partners: Iterable[str]) -> Iterator[Checked]:
    """Check the method or backbone of a module with partners, which are given by name."""
    for name in partners:
        if kind == "methods":
            subject = Subject(load_backbone(name), module.METHOD)
        else:
            subject = Subject(module.BACKBONE, load_method(name))
        for title, check in CHECKS.items():
            yield Checked(title, name, *outcome(partial(check, subject), kind))


def outcome(check: Callable[[], str | None], kind: Kind = "methods") -> tuple[bool, str]:
    """The outcome of a check: True if it passes, and the reason or a remark."""
    try:
        with blaming(f"the {kind.removesuffix('s')}'s code"):
            return True, check() or ""
    except CheckFailure as failure:
        return False, str(failure)


if __name__ == "__main__":
    sys.exit(main())
