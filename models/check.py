"""Checks a method file against the contract: `python -m models.check FILE.py`."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from datasets.command_line import FAILED, OK, Parser, exit_code
from models.contract.checks import CHECKS, check_docstrings
from models.contract.subject import CheckFailure, Subject, blaming
from models.registry import PluginError, available, check_constant, import_file, load_backbone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

DESCRIPTION = "Checks a method file against the contract that every method keeps, on each backbone."
EPILOG = "exit codes: 0 all checks pass; 1 some fail; 2 the file cannot be loaded, or bad usage"


def main(arguments: Sequence[str] | None = None) -> int:
    """Check a file and print a table; returns the exit code."""
    parser = Parser(prog="python -m models.check", description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("file", type=Path, metavar="FILE.py", help="a file that exports METHOD")
    args = parser.parse_args(arguments)
    return exit_code(parser.prog, partial(_print_checks, args.file), PluginError)


def _print_checks(path: Path) -> int:
    torch.set_num_threads(1)  # threads only wait for each other on models this small
    width = max(map(len, CHECKS))
    column = max(map(len, ("backbone", *available("backbones")))) + 2
    results: list[bool] = []
    for check, backbone, is_passed, remark in check_file(path):
        if not results:
            sys.stdout.write(f"{'check':{width}}  {'backbone':{column}}result  reason\n")
        result = "pass" if is_passed else "FAIL"
        line = f"{check:{width}}  {backbone:{column}}{result}    {remark}"
        sys.stdout.write(line.rstrip() + "\n")
        results.append(is_passed)
    sys.stdout.write(f"{path}: {sum(results)} of {len(results)} checks pass\n")
    return OK if all(results) else FAILED


def check_file(path: Path) -> Iterator[tuple[str, str, bool, str]]:
    """Check by check: its name, the backbone, whether it passes, and the reason or a remark.

    Raises:
        PluginError: the file cannot be loaded or exports no method.
    """
    module = import_file(path)
    check_constant(module, "methods")
    yield "docstrings", "-", *outcome(partial(check_docstrings, module))
    for name in available("backbones"):
        subject = Subject(load_backbone(name), module.METHOD)
        for title, check in CHECKS.items():
            yield title, name, *outcome(partial(check, subject))


def outcome(check: Callable[[], str | None]) -> tuple[bool, str]:
    """The outcome of a check: True if it passes, and the reason or a remark."""
    try:
        with blaming("the method's code"):
            return True, check() or ""
    except CheckFailure as failure:
        return False, str(failure)


if __name__ == "__main__":
    sys.exit(main())
