"""Files that are either whole or absent."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

from datasets.files import locked

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    import polars as pl


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
