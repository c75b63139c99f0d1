"""Shows how many bytes are done: a bar on a terminal, otherwise a line now and then."""

from __future__ import annotations

import logging
import sys
import time
from typing import TYPE_CHECKING

from tqdm import tqdm

if TYPE_CHECKING:
    from types import TracebackType

LINE_SECONDS = 10.0

logger = logging.getLogger(__name__)


def readable(num_bytes: int | None) -> str:
    """A size such as `4.92MB`; empty if it is unknown."""
    return "" if num_bytes is None else tqdm.format_sizeof(num_bytes, suffix="B")


class ByteProgress:
    """Counts bytes of one task, whose total may be unknown."""

    def __init__(self, title: str, total: int | None, done: int = 0) -> None:
        self._title = title
        self._total = total
        self._done = done
        self._bar = tqdm(
            total=total,
            initial=done,
            desc=title,
            unit="B",
            unit_scale=True,
            leave=False,
            disable=not sys.stderr.isatty(),
        )
        self._next_line = time.monotonic() + LINE_SECONDS

    def __enter__(self) -> ByteProgress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.close()

    def add(self, num_bytes: int) -> None:
        """Count further bytes."""
        self._done += num_bytes
        self._bar.update(num_bytes)
        if self._bar.disable and time.monotonic() >= self._next_line:
            self._next_line += LINE_SECONDS
            share = f" of {readable(self._total)}" if self._total is not None else ""
            logger.info("%s: %s%s", self._title, readable(self._done), share)
