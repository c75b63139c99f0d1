"""Compares a file with the size and the digests that its publisher states."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path


def difference(path: Path, *, size: int | None = None, sha256: str = "", md5: str = "") -> str:
    """In what a file differs from what is known of it; empty if in nothing.

    The size is compared first, so that a file that is cut short is not read.
    """
    if size is not None and path.stat().st_size != size:
        return f"has {path.stat().st_size:,} bytes, expected {size:,}"
    for algorithm, title, expected in (("sha256", "SHA-256", sha256), ("md5", "MD5", md5)):
        if expected and (found := digest(path, algorithm)) != expected.lower():
            return f"has the {title} {found}, expected {expected.lower()}"
    return ""


def digest(path: Path, algorithm: str = "sha256") -> str:
    """Hexadecimal digest; a file that is renamed, but not changed, is read once only."""
    state = path.stat()
    version = _Version(path, state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns)
    return _digest(version, algorithm)


@dataclass(frozen=True, slots=True)
class _Version:
    """What a file is until somebody writes to it, wherever it lies."""

    path: Path = field(compare=False)
    device: int
    inode: int
    size: int
    modified_ns: int


@lru_cache(maxsize=256)
def _digest(version: _Version, algorithm: str) -> str:
    with version.path.open("rb") as stream:
        return hashlib.file_digest(
            stream, lambda: hashlib.new(algorithm, usedforsecurity=False)
        ).hexdigest()
