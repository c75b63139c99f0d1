"""JSON files of the store: read with their version checked, damage named in one line."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from benchmark.config import ConfigError, digest_of
from benchmark.store.files import write_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from benchmark.config import Json

SCHEMA_VERSION = 8  # 8: a plan keeps its call and the facts of models, a cell what it is matched to
SEAL = "seal"
UNSEALED = ("timing", "environment", SEAL)  # what equal files may differ in


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
