"""Findings of a verification: differences, notes, and counts of what was checked."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

TOLERANCE = 1e-12  # relative and absolute: predictions are stored, only the order of sums may vary
COUNTED = ("runs", "metrics", "domains", "trials", "table cells", "figure cells")


@dataclass(frozen=True, slots=True)
class Findings:
    """Lines name paths below `root`. A note is no difference."""

    root: Path
    differences: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def differs(self, path: Path, what: str, stored: object, recomputed: object) -> None:
        """Name a difference."""
        line = f"{self.name_of(path)}: {what}: stored {stored}, recomputed {recomputed}"
        self.differences.append(line)

    def compare(self, path: Path, what: str, stored: object, recomputed: object) -> None:
        """Name a difference if there is one, numbers to `TOLERANCE`."""
        if not is_close(stored, recomputed, TOLERANCE):
            self.differs(path, what, _shown(stored), _shown(recomputed))

    def foreign(self, path: Path) -> None:
        """Name a file that nothing of a store accounts for."""
        self.differs(path, "foreign file", "there", "nothing writes it; move it elsewhere")

    def damaged(self, path: Path, error: Exception) -> None:
        """Name a file or folder that cannot be read."""
        lines = str(error).splitlines() or [type(error).__name__]
        text = lines[0].replace(f"{self.root}/", "")
        name = self.name_of(path)
        self.differences.append(text if text.startswith(name) else f"{name}: {text}")

    def note(self, text: str) -> None:
        """Keep what a reader should know, once."""
        if text not in self.notes:
            self.notes.append(text)

    def name_of(self, path: Path) -> str:
        """A path as lines name it."""
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)

    @property
    def lines(self) -> list[str]:
        """All that is to be said, the summary last."""
        counts = ", ".join(f"{self.counts[name]:,} {name}" for name in COUNTED)
        number = len(self.differences)
        verdict = f"{number:,} difference{'' if number == 1 else 's'}"
        notes = [f"note: {text}" for text in self.notes]
        return [*self.differences, *notes, f"{verdict}; checked {counts}"]


def is_close(left: object, right: object, tolerance: float) -> bool:
    """True of equal values, numbers to a tolerance; nan equals nan."""
    if not (isinstance(left, int | float) and isinstance(right, int | float)):
        return left == right
    if math.isnan(left) or math.isnan(right):
        return math.isnan(left) and math.isnan(right)
    return math.isclose(left, right, rel_tol=tolerance, abs_tol=tolerance)


def _shown(value: object) -> str:
    return str(value) if isinstance(value, str | int | float) else repr(value)
