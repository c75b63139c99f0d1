"""Files that are either whole or absent; JSON with its version checked and its damage named."""

from __future__ import annotations

import io
import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark.config import ConfigError, digest_of
from datasets.files import locked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    import polars as pl
    from numpy.typing import NDArray

    from benchmark.config import Json

SCHEMA_VERSION = 10  # 10: CPU time beside that of the wall clock
SEAL = "seal"
UNSEALED = ("timing", "environment", SEAL)  # what equal files may differ in


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a neighbour of `path`, then rename it; a failure leaves nothing.

    Raises:
        OSError: the folder is not writable or the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")  # what a killed process left is written over
    try:
        write(part)
        with part.open("rb") as handle:
            os.fsync(handle.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def sole_writer(folder: Path) -> AbstractContextManager[None]:
    """Hold an output folder against other processes.

    Raises:
        BlockingIOError: another process has it.
        OSError: the folder cannot be written.
    """
    reason = "another run is writing here; wait for it, or choose another --out"
    return locked(folder / ".lock", refusal=reason)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text whole."""
    write_whole(path, lambda part: part.write_text(text, encoding="utf-8"))


def write_parquet(path: Path, frame: pl.DataFrame) -> None:
    """Write a frame whole; the bytes go through Python, which reports a full disk as it is."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    write_whole(path, lambda part: part.write_bytes(buffer.getbuffer()))


def write_arrays(path: Path, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """Write arrays whole, as an .npz file that has them by name."""

    def fill(part: Path) -> None:
        with part.open("wb") as handle:
            np.savez_compressed(handle, allow_pickle=False, **arrays)

    write_whole(path, fill)


class RecordError(ValueError):
    """A file or folder that cannot be trusted: which one, why, and what to do."""


def write_sealed(path: Path, content: Mapping[str, Json]) -> None:
    """Write JSON whole, with the schema version and a digest of all but timing and environment.

    Raises:
        OSError: the folder is not writable or the disk is full.
    """
    full = {"schema_version": SCHEMA_VERSION, **content}
    text = json.dumps(full | {SEAL: _seal(full)}, indent=1, allow_nan=False)
    write_text(path, text + "\n")


def read_sealed(path: Path) -> dict[str, Any]:
    """Read what `write_sealed` wrote.

    Raises:
        RecordError: it is absent, of another schema version, or was changed since.
    """
    content = read_versioned(path)
    try:
        is_whole = content.get(SEAL) == _seal(content)
    except ValueError as error:
        raise RecordError(f"{path}: a number is not finite; run again to renew it") from error
    if not is_whole:
        raise RecordError(f"{path}: changed since it was written; run again to renew it")
    return content


def read_versioned(path: Path) -> dict[str, Any]:
    """Read a JSON file of this schema version.

    Raises:
        RecordError: it is absent, no JSON, or of another schema version.
    """
    content = read_json(path)
    version = content.get("schema_version") if isinstance(content, dict) else None
    if version != SCHEMA_VERSION:
        raise RecordError(
            f"{path}: schema version {version!r}, this program reads {SCHEMA_VERSION}; run again"
            " with another --out"
        )
    return content


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file.

    Raises:
        RecordError: it is absent or no JSON.
    """
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecordError(f"cannot be read: {error} ({path})") from error
    return content


@contextmanager
def named_damage(path: Path) -> Iterator[None]:
    """Turn what a damaged or foreign file makes of its reader into one line with its path."""
    try:
        yield
    except (AttributeError, ConfigError, KeyError, TypeError) as error:
        raise RecordError(
            f"{path}: damaged or of another version ({type(error).__name__}: {error}); run again to"
            " renew it"
        ) from error


def _seal(content: Mapping[str, Json]) -> str:
    return digest_of({key: value for key, value in content.items() if key not in UNSEALED})
