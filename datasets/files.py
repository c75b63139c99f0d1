"""Digests of files, and locks on them that end with the process that has them."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

logger = logging.getLogger(__name__)


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def json_digest(content: Mapping[str, object]) -> str:
    """SHA-256 of JSON values, in hex, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@contextmanager
def locked(path: Path, *, refusal: str = "", waiting: str = "") -> Iterator[None]:
    """Hold a lock file; the folder is made if need be.

    A lock that another process has is refused for the reason `refusal`, if one is stated, and
    otherwise waited for, after the warning `waiting`.

    Raises:
        BlockingIOError: another process has the lock, and `refusal` is stated.
        OSError: the folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        if refusal:
            raise BlockingIOError(errno.EWOULDBLOCK, refusal, str(path.parent)) from None
        if waiting:
            logger.warning(waiting)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
