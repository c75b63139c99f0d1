"""Command lines whose errors are one line."""

from __future__ import annotations

import argparse
from typing import NoReturn

OK, USAGE, INTERRUPTED = 0, 2, 130  # exit codes


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Print the line and leave with the code for bad usage."""
        self.exit(USAGE, f"{self.prog}: error: {message}; see --help\n")
