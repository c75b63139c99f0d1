"""Errors as one line that names the place in the user's own code."""

from __future__ import annotations

import sysconfig
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
PLACES = (  # of this program, and of Python's own modules
    *(ROOT / name for name in ("benchmark", "datasets", "models", "reports", "run_all.py")),
    Path(sysconfig.get_path("stdlib")),
)
ROOMS = (ROOT / "models" / "backbones", ROOT / "models" / "methods")  # of files that users add
INSTALLED = ("site-packages", "dist-packages")
MOST_LETTERS = 400  # of a message


def one_line(error: BaseException) -> str:
    """The type and message of an error, and the last frame of the user's own code, if it has one.

    That is a file of neither this program nor a library, else one of its rooms of methods and
    backbones. Such as `TypeError: no shape, at mine.py:42 in forward: return h @ self.shape`.
    """
    message = " ".join(str(error).split())
    if len(message) > MOST_LETTERS:
        message = f"{message[:MOST_LETTERS]}..."
    text = f"{type(error).__name__}: {message}" if message else type(error).__name__
    frames = [frame for frame in _frames(error) if _is_file(frame)]
    own = [frame for frame in frames if _is_outside(frame)] or [*filter(_is_in_room, frames)]
    if not own:
        return text
    frame = own[0]
    line = f": {frame.line}" if frame.line else ""
    return f"{text}, at {Path(frame.filename).name}:{frame.lineno} in {frame.name}{line}"


def _frames(error: BaseException | None) -> Iterator[traceback.FrameSummary]:
    """The frames of an error, the last one first, then those of what it was raised for."""
    while error is not None:
        yield from reversed(traceback.extract_tb(error.__traceback__))
        error = error.__cause__ or error.__context__


def _is_file(frame: traceback.FrameSummary) -> bool:
    return Path(frame.filename).is_absolute()  # and not such as <string>


def _is_in_room(frame: traceback.FrameSummary) -> bool:
    return any(Path(frame.filename).is_relative_to(room) for room in ROOMS)


def _is_outside(frame: traceback.FrameSummary) -> bool:
    path = Path(frame.filename)
    is_installed = any(name in path.parts for name in INSTALLED)
    return not is_installed and not any(path.is_relative_to(place) for place in PLACES)
