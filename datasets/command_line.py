"""Command lines: exit codes, errors of one line, output, and arguments that are numbers."""

from __future__ import annotations

import argparse
import io
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130  # exit codes; USAGE also of bad input


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Print the line and leave with the code for bad usage."""
        self.exit(USAGE, f"{self.prog}: error: {message}; see --help\n")


def at_least(least: int) -> Callable[[str], int]:
    """A reader of an argument that is a whole number, not below `least`."""

    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(
                f"must be a whole number of at least {least}, got {text!r}"
            )
        return int(text)

    return read


def exit_code(
    program: str,
    act: Callable[[], int],
    *errors: type[Exception],
    place: Path | None = None,
    hint: str = "run the same command again",
) -> int:
    """The exit code that `act` returns, or that of an error, which is printed as one line.

    Errors of files and those of the kinds `errors` can be mended by the user; others pass through.
    `place` is named where an error of a file names none, `hint` after Ctrl-C. Output of `act` is
    written with escapes where the terminal's encoding lacks a letter.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        return act()
    except errors as error:
        message = str(error)
    except OSError as error:
        named, reason = error.filename or place, error.strerror or error
        message = f"{named}: {reason}" if named else str(reason)
    except KeyboardInterrupt:
        sys.stderr.write(f"\ninterrupted; {hint}\n")
        return INTERRUPTED
    sys.stderr.write(f"{program}: error: {' '.join(message.split())}\n")
    return USAGE


def print_document(text: str) -> None:
    """Write a whole file on standard output: in UTF-8, whatever the terminal's encoding is."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    sys.stdout.write(text)
