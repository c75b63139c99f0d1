"""Your own log: a TOML file names its files, label, timestamp, features and partition.

See `example.toml` beside this file for every key.
"""

from __future__ import annotations

import tomllib
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from datasets.provenance import Source
from datasets.rawlog import CatalogEntry, RawLog
from datasets.spec import DataError, DatasetSpec, DomainPartition, FeatureSpec
from datasets.tables import ParquetTable, Table, TextTable, check_folder, require_columns

TYPES: dict[str, type] = {
    "name": str,
    "label": str,
    "timestamp": str,
    "files": str,
    "separator": str,
    "partition": list,
    "representative": str,
    "features": list,
    "source": str,
}
NEEDED = ("name", "label", "files", "partition", "features")
FEATURE_TYPES: dict[str, type] = {
    "name": str,
    "kind": str,
    "min_count": int,
    "num_buckets": int,
    "max_length": int,
    "separator": str,
}
TYPE_NAMES: dict[type, str] = {
    str: "a text in quotes",
    list: "a list in brackets",
    int: "an integer",
}
PARQUET = (".parquet", ".pq")


def read_spec(path: Path, reserved: tuple[str, ...] = ()) -> CatalogEntry:
    """The entry that a TOML file describes; its data files lie beside it unless a folder is given.

    `reserved` are names that the log may not take.

    Raises:
        DataError: the file is missing, is not TOML, or has a wrong key or value.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(
            f"{path}: there is no such file; name a TOML file that describes a log"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a TOML file ({error})") from None
    _check_keys(content, TYPES, NEEDED, str(path))
    if content["name"] in reserved:
        raise DataError(
            f"{path}: name {content['name']!r} is taken by a log of the catalog; choose another"
        )
    separator = content.get("separator", ",")
    if len(separator) != 1 or not separator.isascii() or separator in '"\r\n':
        raise DataError(
            f"{path}: separator must be one ASCII character, no quote or line end, got"
            f" {separator!r}"
        )
    if not content["files"] or Path(content["files"]).is_absolute():
        raise DataError(
            f"{path}: files must be a pattern such as 'log*.csv' within the data folder, got"
            f" {content['files']!r}"
        )
    try:
        spec = _spec(content, path)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    read_raw = partial(_read_raw, spec=spec, pattern=content["files"], separator=separator)
    return CatalogEntry(spec, read_raw, path.parent)


def _spec(content: dict[str, Any], path: Path) -> DatasetSpec:
    partition = content["partition"]
    if not partition or not all(isinstance(column, str) for column in partition):
        raise DataError(f"partition must be a list of column names, got {partition!r}")
    return DatasetSpec(
        name=content["name"],
        label=content["label"],
        timestamp=content.get("timestamp"),
        features=tuple(
            _feature(entry, place) for place, entry in enumerate(content["features"], 1)
        ),
        partition=DomainPartition(tuple(partition)),
        representative=content.get("representative", partition[0]),
        source=Source(description=content.get("source", f"Described by {path.name}.")),
    )


def _feature(entry: object, place: int) -> FeatureSpec:
    """A feature from its table, or from its name alone if it is categorical."""
    if isinstance(entry, str):
        return FeatureSpec(name=entry)
    if not isinstance(entry, dict):
        raise DataError(f"feature {place} must be a column name or a table, got {entry!r}")
    _check_keys(entry, FEATURE_TYPES, ("name",), f"feature {place}")
    return FeatureSpec(**entry)


def _check_keys(
    content: dict[str, Any], types: dict[str, type], needed: tuple[str, ...], where: str
) -> None:
    for key, value in content.items():
        if key not in types:
            raise DataError(f"{where}: unknown key {key!r}; allowed: {', '.join(types)}")
        if not isinstance(value, types[key]) or isinstance(value, bool):
            raise DataError(f"{where}: {key} must be {TYPE_NAMES[types[key]]}, got {value!r}")
    for key in needed:
        if key not in content:
            raise DataError(f"{where}: key {key!r} is missing; needed are {', '.join(needed)}")


def _read_raw(root: Path, *, spec: DatasetSpec, pattern: str, separator: str) -> RawLog:
    """All files of the pattern one after the other, in the order of their names."""
    check_folder(root)
    try:
        paths = sorted(path for path in root.glob(pattern) if path.is_file())
    except (IndexError, NotImplementedError, ValueError) as error:  # depends on the Python version
        raise DataError(
            f"files = {pattern!r} is not a file pattern ({error}); use one such as 'log*.csv'"
        ) from None
    if not paths:
        raise DataError(
            f"{root}: no file matches {pattern!r}; correct 'files' or name another folder"
        )
    tables = tuple(_open(path, spec, separator) for path in paths)
    columns = [spec.label, *([spec.timestamp] if spec.timestamp else [])]
    columns += [feature.name for feature in spec.features]
    for table in tables:
        require_columns(table, columns)
    frame = pl.concat([table.scan().select(pl.col(columns).cast(pl.String)) for table in tables])
    return RawLog(frame=frame, files=tuple(paths), tables=tables)


def _open(path: Path, spec: DatasetSpec, separator: str) -> Table:
    if path.suffix in PARQUET:
        bags = {
            feature.name: feature.separator for feature in spec.features if feature.kind == "bag"
        }
        return ParquetTable.open(path, bags)
    return TextTable.open(path, separator)
