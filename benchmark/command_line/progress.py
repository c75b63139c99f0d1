"""Words on how long something takes."""

from __future__ import annotations

_UNITS = ((48 * 3600.0, 24 * 3600.0, "days"), (5400.0, 3600.0, "h"), (90.0, 60.0, "min"))
_FEW = 10.0  # units, below which half ones count


def duration(seconds: float) -> str:
    """`45 s`, `3 min`, `2.5 h` or `3 days`: seconds in the unit that a reader would take."""
    for least, unit, name in _UNITS:
        if seconds >= least:
            count = seconds / unit
            return f"{round(2 * count) / 2:g} {name}" if count < _FEW else f"{count:.0f} {name}"
    return f"{seconds:.0f} s"
