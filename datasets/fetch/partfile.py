"""A file on its way, with a note of where it comes from, so that its rest can be fetched later."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class PartFile:
    """A file on its way, and the note that makes it resumable."""

    whole: Path

    @property
    def path(self) -> Path:
        """Where the bytes are."""
        return self.whole.with_name(f"{self.whole.name}.part")

    @property
    def note(self) -> Path:
        """Where it is written what they are a part of."""
        return self.whole.with_name(f"{self.whole.name}.part.json")

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self.path.stat().st_size if self.path.exists() else 0

    def version_at(self, url: str) -> str | None:
        """ETag or date of the version that this is a part of, if it is of that URL at all."""
        try:
            note = json.loads(self.note.read_text(encoding="utf-8"))
            return str(note["version"]) if note["url"] == url else None
        except (FileNotFoundError, KeyError, TypeError, ValueError):  # a killed process's note
            return None

    def begin(self, url: str, version: str) -> None:
        """Start over."""
        self.drop()
        self.note.write_text(json.dumps({"url": url, "version": version}), encoding="utf-8")

    def drop(self) -> None:
        """Forget what has been fetched; the part goes before its note."""
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)

    def finish(self) -> None:
        """Give the file its name."""
        self.path.replace(self.whole)
        self.note.unlink(missing_ok=True)
