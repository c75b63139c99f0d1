"""The logs that can be prepared by name: one file each, imported only when loaded."""

from __future__ import annotations

import importlib
from functools import partial
from pathlib import Path

from datasets.rawlog import CatalogEntry
from datasets.spec import DataError

RAW_DIR = Path(__file__).parent.parent / "data" / "raw"
READER_OF_TOML = "custom"
WORLD_PREFIX = "synthetic_"
WORLD_ROWS = 255_000


def available() -> tuple[str, ...]:
    """Names of the catalog."""
    names = (path.stem for path in Path(__file__).parent.glob("*.py"))
    return tuple(sorted(name for name in names if name not in ("__init__", READER_OF_TOML)))


def is_world(name: str) -> bool:
    """Whether a name of the catalog is that of a generated log, of any size and known truth."""
    return name.startswith(WORLD_PREFIX) and name in available()


def source_of(name: str) -> tuple[str, str]:
    """The catalog name or TOML file of a `--data` value, and its partition, empty for the own."""
    if name.endswith(".toml"):
        return name, ""
    source, _, columns = name.partition("/")
    return source, columns


def load(name_or_toml: str, world_rows: int = WORLD_ROWS) -> CatalogEntry:
    """The entry of a catalog name, or of a log that a TOML file describes.

    `world_rows` is the size of a generated log and means nothing to others.

    Raises:
        DataError: there is no such name, or the TOML file does not describe a log.
    """
    if name_or_toml.endswith(".toml"):
        reader = importlib.import_module(f"{__name__}.{READER_OF_TOML}")
        return reader.read_spec(Path(name_or_toml), reserved=available())
    if name_or_toml not in available():
        raise DataError(
            f"unknown data set {name_or_toml!r}; available: {', '.join(available())}, or a file"
            " that ends in .toml and describes your own log"
        )
    module = importlib.import_module(f"{__name__}.{name_or_toml}")
    if is_world(name_or_toml):
        files = importlib.import_module("datasets.worlds.files")
        read_raw = partial(files.read_world, world=module.WORLD, num_rows=world_rows)
    else:
        read_raw = module.read_raw
    return CatalogEntry(module.SPEC, read_raw, RAW_DIR / name_or_toml)
