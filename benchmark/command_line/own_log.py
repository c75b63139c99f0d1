"""A log of one's own without a description: writes one beside it, and says what to check."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.store.environment import own_program
from datasets import catalog
from datasets.describe import propose_for
from datasets.spec import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datasets.profiling.proposal import Proposal

FACTS = ("label = ", "timestamp = ")  # lines of a description that are always shown
MARKS = ("guess", "CHECK", "LEAK?")  # of lines that deserve a look
REMARKS = ("leaks: ", "check ")  # that stand in no line of a description


def undescribed(words: Sequence[str]) -> list[str]:
    """The words of --data that are files or folders of a log, not its description."""
    return [word for word in words if not word.endswith(".toml") and _is_path(word)]


def _is_path(word: str) -> bool:
    """True of what exists; a name of the catalog is that of its log, whatever exists."""
    names = catalog.available()
    if catalog.source_of(word)[0].partition(catalog.DRAW_MARK)[0] in names:
        return word not in names and Path(word).is_file()
    return Path(word).exists()


def describe(words: Sequence[str], given: Sequence[str]) -> list[str]:
    """Write the description of a log, unless there is one; lines on what to check and do next.

    Args:
        words: files and folders of one log.
        given: the words of the command line, which the next command repeats.

    Raises:
        DataError: the files cannot be read as one log, or nothing tells the label.
        OSError: the description cannot be written.
    """
    from datasets.profiling.profile import find_log, log_folder  # polars is slow to import
    from datasets.profiling.proposal import log_name, toml_text

    paths = find_log([file for word in words for file in _files_of(word)])
    folder = log_folder(paths)
    path = _near(folder.resolve() / f"{log_name(paths, folder)}.toml")
    follow = f"next: {_next_command(words, given, path)}"
    if path.exists():
        return [f"{path} describes it already and stays as it is; nothing was run", follow]
    try:
        proposal = propose_for(paths)
    except DataError as error:
        if "--label" not in str(error):
            raise
        own = f"{_module_command(words)} --label COLUMN > {shlex.quote(str(path))}"
        raise DataError(f"{', '.join(words)}: {error}: {own}") from None
    with path.open("x", encoding="utf-8") as stream:
        stream.write(toml_text(proposal))
    return [
        f"wrote its description {path}; nothing was run. Check what it says, leaks above all:",
        *(f"  {line}" for line in _to_check(proposal)),
        follow,
    ]


def _near(path: Path) -> Path:
    """A path as seen from the current folder, where it lies below that."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _files_of(word: str) -> list[str]:
    """A file, or the files of a folder but for descriptions."""
    from datasets.raw.folders import is_meant

    folder = Path(word)
    if not folder.is_dir():
        return [word]
    files = [file for file in sorted(folder.rglob("*")) if is_meant(file, "*")]
    files = [file for file in files if file.suffix != ".toml"]
    if not files:
        raise DataError(f"{folder}: there is no file of a log in this folder")
    return [*map(str, files)]


def _to_check(proposal: Proposal) -> list[str]:
    """The lines of the description that say what the log is or that are guesses, and leaks."""
    from datasets.profiling.proposal import remarks, toml_text

    lines = [line.strip() for line in toml_text(proposal).splitlines()[2:]]
    shown = [line for line in lines if line.startswith(FACTS) or any(m in line for m in MARKS)]
    return [*shown, *(line for line in remarks(proposal) if line.startswith(REMARKS))]


def _module_command(words: Sequence[str]) -> str:
    patterns = [f"{word}/**/*" if Path(word).is_dir() else word for word in words]
    return f"python -m datasets.describe {shlex.join(patterns)}"


def _next_command(words: Sequence[str], given: Sequence[str], path: Path) -> str:
    """The same call with the description in the place of the files."""
    first, *others = words
    call = [str(path) if word == first else word for word in given if word not in others]
    if str(path) not in call:  # a word of several names, with commas between
        call = ["--data", str(path)]
    python = own_program("python", Path.cwd())
    return shlex.join([str(python), "run_all.py", *call])
