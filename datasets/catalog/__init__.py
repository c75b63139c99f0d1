"""The logs that can be prepared by name: one file each, imported only when loaded."""

from __future__ import annotations

import importlib
import re
from dataclasses import replace
from functools import partial
from pathlib import Path

from datasets.raw.raw_log import CatalogEntry
from datasets.spec import DataError

RAW_DIR = Path(__file__).parent.parent / "data" / "raw"
PREPARED_DIR = RAW_DIR.with_name("prepared")
READER_OF_TOML = "custom"
WORLD_PREFIX = "synthetic_"
WORLD_ROWS = 255_000
DRAW_MARK, DEFAULT_DRAW = "@", 1  # draw 0 is the one that values are tuned on
_DRAW = re.compile(r"0|[1-9][0-9]{0,5}")


def available() -> tuple[str, ...]:
    """Names of the catalog."""
    names = (path.stem for path in Path(__file__).parent.glob("*.py"))
    return tuple(sorted(name for name in names if name not in ("__init__", READER_OF_TOML)))


def is_world(name: str) -> bool:
    """Tell whether a name, with or without a draw, is that of a generated log, of known truth."""
    family = name.partition(DRAW_MARK)[0]
    return family.startswith(WORLD_PREFIX) and family in available()


def source_of(name: str) -> tuple[str, str]:
    """The source of a `--data` value, as `load` takes it, and its partition, empty for the own.

    What does not begin with a name of the catalog is a path.
    """
    source, _, columns = name.partition("/")
    is_path = name.endswith(".toml") or source.partition(DRAW_MARK)[0] not in available()
    return (name, "") if is_path else (source, columns)


def draw_of(source: str) -> tuple[str, int | None]:
    """The catalog name of a source, and which draw of a generated log it is; others have none.

    Raises:
        DataError: the source has a draw that it cannot have.
    """
    name, mark, draw = source.partition(DRAW_MARK)
    is_path = source.endswith(".toml") or name not in available()
    if is_path or (not mark and not is_world(name)):
        return source, None
    if not is_world(name):
        worlds = ", ".join(filter(is_world, available()))
        raise DataError(f"{source!r}: only generated logs have draws: {worlds}")
    if mark and not _DRAW.fullmatch(draw):
        raise DataError(
            f"{source!r}: a draw is a whole number from 0 to 999999, as in {name}{DRAW_MARK}3"
        )
    return name, int(draw) if mark else DEFAULT_DRAW


def is_generated(word: str) -> bool:
    """Tell whether a `--data` value names a generated log."""
    return is_world(source_of(word)[0])


def family_of(word: str) -> str:
    """The catalog name or TOML file of a `--data` value, without draw and partition.

    Raises:
        DataError: it names a draw that its log cannot have.
    """
    return draw_of(source_of(word)[0])[0]


def has_draw(word: str) -> bool:
    """Tell whether a `--data` value names one draw of a generated log."""
    return is_generated(word) and DRAW_MARK in source_of(word)[0]


def at_draw(word: str, draw: int) -> str:
    """The `--data` value of a draw of a generated log, under the same partition."""
    columns = source_of(word)[1]
    return f"{family_of(word)}{DRAW_MARK}{draw}" + (f"/{columns}" if columns else "")


def load(source: str, world_rows: int = WORLD_ROWS) -> CatalogEntry:
    """The entry of a catalog name, or of a log that a TOML file describes.

    The name of a generated log may have a draw, as in `synthetic_production@3`. `world_rows` is its
    size and means nothing to others.

    Raises:
        DataError: there is no such name or draw, or the TOML file does not describe a log.
    """
    if source.endswith(".toml"):
        reader = importlib.import_module(f"{__name__}.{READER_OF_TOML}")
        return reader.read_spec(Path(source), reserved=available())
    name, draw = draw_of(source)
    if name not in available():
        problem = "that file has no description" if Path(name).exists() else "no such file"
        raise DataError(
            f"unknown data set {name!r} ({problem}); available: {', '.join(available())}, or the"
            " .toml file of your own log, which run_all.py --data LOG.csv writes"
        )
    module = importlib.import_module(f"{__name__}.{name}")
    if draw is None:
        read_raw = module.read_raw
    else:
        files = importlib.import_module("datasets.worlds.files")
        world = replace(module.WORLD, draw=draw)
        read_raw = partial(files.read_world, world=world, num_rows=world_rows)
    return CatalogEntry(module.SPEC, read_raw, RAW_DIR / name, draw)
