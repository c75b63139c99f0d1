"""Folders of prepared files: written whole or not at all, shared, and checked by digest."""

from __future__ import annotations

import json
import logging
import os
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from datasets.files import file_digest, json_digest, locked

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

META_NAME = "meta.json"

logger = logging.getLogger(__name__)


def shared_folder(
    cache_dir: Path, fingerprint: str, build: Callable[[Path], dict[str, Any]]
) -> tuple[Path, dict[str, Any]]:
    """The folder of a fingerprint and its metadata, built unless an undamaged one exists.

    `build` fills an empty folder and returns the metadata. The folder appears under its name by one
    rename, with `meta.json` holding all digests, its own included. Processes that want the same
    folder wait for the one that builds it; the lock ends with its owner, so that a killed process
    blocks nobody.
    """
    folder = cache_dir / fingerprint
    meta, _ = _read(folder)
    if meta is not None:
        return folder, meta
    waiting = f"waiting for the process that prepares {fingerprint}"
    with locked(_lock_of(cache_dir, fingerprint), waiting=waiting):
        meta, damage = _read(folder)
        if meta is None:
            if damage:
                logger.warning(
                    "prepared data in %s is damaged (%s); it is built again", folder, damage
                )
            meta = _build(folder, build)
    return folder, meta


def kept_meta(cache_dir: Path, fingerprint: str) -> dict[str, Any] | None:
    """The metadata of a folder, whose other files are not looked at; None if it is not there."""
    try:
        text = (cache_dir / fingerprint / META_NAME).read_text(encoding="utf-8")
        meta: dict[str, Any] = json.loads(text)["content"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return meta


def _build(folder: Path, build: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    """Build beside the final place, then rename; leftovers of killed processes go."""
    _sweep(folder)
    partial = folder.parent / f".{folder.name}.{os.getpid()}.partial"
    partial.mkdir()
    try:
        meta = build(partial)
        meta["digests"] = {path.name: file_digest(path) for path in sorted(partial.iterdir())}
        content = {"sha256": json_digest(meta), "content": meta}
        (partial / META_NAME).write_text(json.dumps(content, indent=1), encoding="utf-8")
        if folder.exists():
            damaged = folder.parent / f".{folder.name}.damaged.partial"
            folder.rename(damaged)
            shutil.rmtree(damaged)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return meta


def _sweep(folder: Path) -> None:
    """Remove what killed processes left, of `folder` itself and of all that nobody builds now."""
    for leftover in folder.parent.glob(".*.partial"):
        owner = leftover.name.split(".")[1]
        if owner == folder.name:  # its lock is held
            shutil.rmtree(leftover)
            continue
        with (
            suppress(BlockingIOError),
            locked(_lock_of(folder.parent, owner), refusal="in use"),
        ):
            shutil.rmtree(leftover, ignore_errors=True)  # another sweep may have come first


def _lock_of(cache_dir: Path, fingerprint: str) -> Path:
    return cache_dir / f".{fingerprint}.lock"


def _read(folder: Path) -> tuple[dict[str, Any] | None, str]:
    """The metadata of an undamaged folder, or none and what is wrong (if anything is there)."""
    if not folder.exists():
        return None, ""
    try:
        content = json.loads((folder / META_NAME).read_text(encoding="utf-8"))
        meta: dict[str, Any] = content["content"]
        if content["sha256"] != json_digest(meta):
            return None, f"{META_NAME} does not match its digest"
        for name, digest in meta["digests"].items():
            if file_digest(folder / name) != digest:
                return None, f"{name} does not match its digest"
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError) as error:
        return None, f"{type(error).__name__}: {error}"
    return meta, ""
