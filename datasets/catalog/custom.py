"""Your own log: a TOML file names its files, label, timestamp, features and partition.

See `example.toml` beside this file for every key.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import re
import tomllib
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from types import UnionType
from typing import Any

import polars as pl

from datasets.encoding.times import has_zone, read_time
from datasets.provenance import Source
from datasets.raw.folders import FolderTable, folder_values, is_meant, with_rows
from datasets.raw.raw_log import CatalogEntry, RawLog
from datasets.raw.tables import RawTable, check_folder, named, require_columns
from datasets.raw.values import tokens_of
from datasets.raw.writing import Notation, Writing
from datasets.spec import DataError, DatasetSpec, DomainPartition, FeatureSpec

logger = logging.getLogger(__name__)
PROBE = dt.datetime(
    2019, 5, 17, 15, tzinfo=dt.UTC
)  # a format that has a date and perhaps a time reads it back
TYPES: dict[str, type | UnionType] = {
    "name": str,
    "files": str | list,
    "label": str,
    "positive": list,
    "positive_from": int | float,
    "timestamp": str,
    "timestamp_format": str,
    "cluster": str,
    "item": str,
    "prior": list,
    "partition": list,
    "representative": str,
    "features": list,
    "separator": str,
    "quote": str,
    "columns": list,
    "missing": list,
    "source": str,
    "licence": str,
    "citation": str,
    "homepage": str,
}
NEEDED = ("name", "label", "files", "partition", "features")
FEATURE_TYPES: dict[str, type | UnionType] = {
    **{field.name: int if isinstance(field.default, int) else str for field in fields(FeatureSpec)},
    "missing": list,
    "decimal": str,
}
TYPE_NAMES: dict[type | UnionType, str] = {
    str: "a text in quotes",
    str | list: "a text in quotes, or a list of them",
    list: "a list in brackets",
    int: "an integer",
    int | float: "a number",
}
NOTATION = frozenset(("missing", "decimal"))  # keys of a feature that only say how it is written


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLayout(Writing):
    """Files of a log as patterns, how they are written, and the meaning of labels and times.

    `positive` are the labels that count as 1, all others as 0; or all numbers from `positive_from`
    on do, smaller ones as 0. Without them labels are 0 and 1.

    Raises:
        DataError: a value is not allowed.
    """

    files: tuple[str, ...]
    positive: tuple[str, ...] = ()
    positive_from: float | None = None
    timestamp_format: str | None = None

    def __post_init__(self) -> None:
        Writing.__post_init__(self)
        if not self.files or any(not file or Path(file).is_absolute() for file in self.files):
            raise DataError(
                "files must be a pattern such as 'log*.csv' within the data folder, or a list of"
                f" them, got {', '.join(map(repr, self.files)) or 'none'}"
            )
        if self.positive and self.positive_from is not None:
            raise DataError("say either positive or positive_from, not both")
        if self.timestamp_format is not None:
            self._check_format(self.timestamp_format)

    @property
    def identity(self) -> str:
        """All but the files that changes what is read; empty if nothing departs from the usual."""
        usual = {field.name: field.default for field in fields(self)}
        changed = {
            key: value
            for key, value in asdict(self).items()
            if key not in ("files", "separator") and value != usual[key]
        }
        return json.dumps(changed, sort_keys=True) if changed else ""

    def values_of(self, frame: pl.LazyFrame, spec: DatasetSpec) -> pl.LazyFrame:
        """Rows of text with missing values as nulls, labels as 0 and 1, and times as ISO-8601."""
        frame = self.without_missing(frame, spec.inputs)
        if self.positive:
            frame = frame.with_columns(is_positive(named(spec.label), self.positive))
        if self.positive_from is not None:
            frame = frame.with_columns(is_at_least(named(spec.label), self.positive_from))
        if self.timestamp_format is not None and spec.timestamp is not None:
            text = named(spec.timestamp)
            times = read_time(text, self.timestamp_format)
            zone = "Z" if has_zone(self.timestamp_format) else ""
            times = times.dt.strftime(f"%Y-%m-%dT%H:%M:%S%.6f{zone}")
            frame = frame.with_columns(pl.coalesce(times, text))  # what is no time is named later
        return frame

    def _check_format(self, layout: str) -> None:
        """A format must read back the day that it writes; one without a year does not."""
        written = pl.Series([PROBE])
        if re.search(r"(?<!\.)%f", layout):
            raise DataError(
                f"timestamp_format {layout!r}: a fraction of a second is '.%f', or '%3f', '%6f' or"
                " '%9f' for so many digits without a point"
            )
        try:
            text = written.dt.strftime(layout)
            days = pl.select(read_time(pl.lit(text), layout)).to_series().dt.date()
        except pl.exceptions.PolarsError as error:
            reason = str(error).splitlines()[0]
        else:
            if days.to_list() == [PROBE.date()]:
                return
            reason = "year, month and day are needed"
        raise DataError(
            f"timestamp_format {layout!r} does not describe a date ({reason}); use one such as"
            " '%d/%m/%Y %H:%M:%S'"
        )


def is_positive(label: pl.Expr, positive: tuple[str, ...]) -> pl.Expr:
    """1 for the listed labels, whatever the case or the notation of a number, null if missing."""
    numbers = pl.Series(positive).cast(pl.Float64, strict=False).drop_nulls()
    texts = [value.lower() for value in tokens_of(positive)]
    is_listed = label.str.to_lowercase().is_in(texts)
    is_equal = label.cast(pl.Float64, strict=False).is_in(numbers.to_list()).fill_null(value=False)
    return pl.when(label != "").then((is_listed | is_equal).cast(pl.Int8).cast(pl.String))


def is_at_least(label: pl.Expr, least: float) -> pl.Expr:
    """1 for numbers from the least one on, 0 for smaller ones; what is no number stays as it is."""
    number = label.cast(pl.Float64, strict=False)
    counted = (number >= least).cast(pl.Int8).cast(pl.String)
    return pl.when(number.is_finite()).then(counted).otherwise(label)


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
    try:
        spec, layout = _spec(content, path), _layout(content)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    read_raw = partial(_read_raw, spec=spec, layout=layout, described_by=path)
    return CatalogEntry(spec, read_raw, path.parent)


def _layout(content: dict[str, Any]) -> FileLayout:
    files, positive = content["files"], content.get("positive", ["1"])
    if not positive or not all(isinstance(value, str | int | float) for value in positive):
        raise DataError(f"positive must be a list of one or more labels, got {positive!r}")
    keys = ("separator", "quote", "positive_from", "timestamp_format")
    return FileLayout(
        files=(files,) if isinstance(files, str) else _texts(content, "files"),
        columns=_texts(content, "columns"),
        missing=_texts(content, "missing"),
        notations=tuple(
            _notation(entry)
            for entry in content["features"]
            if isinstance(entry, dict) and not NOTATION.isdisjoint(entry)
        ),
        positive=tuple(map(str, positive)) if "positive" in content else (),
        **{key: content[key] for key in keys if key in content},
    )


def _texts(content: dict[str, Any], key: str) -> tuple[str, ...]:
    """A list of texts, empty if the key is not there."""
    values = content.get(key, ())
    if key in content and not (values and all(isinstance(value, str) for value in values)):
        raise DataError(f"{key} must be a list of one or more texts in quotes, got {values!r}")
    return tuple(values)


def _spec(content: dict[str, Any], path: Path) -> DatasetSpec:
    partition = _texts(content, "partition")
    return DatasetSpec(
        name=content["name"],
        label=content["label"],
        timestamp=content.get("timestamp"),
        cluster=content.get("cluster"),
        item=content.get("item"),
        prior=_texts(content, "prior"),
        features=tuple(
            _feature(entry, place) for place, entry in enumerate(content["features"], 1)
        ),
        partition=DomainPartition(partition),
        representative=content.get("representative", partition[0]),
        source=Source(
            description=content.get("source", f"Described by {path.name}."),
            **{key: content[key] for key in ("licence", "citation", "homepage") if key in content},
        ),
    )


def _feature(entry: object, place: int) -> FeatureSpec:
    """A feature from its table, or from its name alone if it is categorical."""
    if isinstance(entry, str):
        return FeatureSpec(name=entry)
    if not isinstance(entry, dict):
        raise DataError(f"feature {place} must be a column name or a table, got {entry!r}")
    _check_keys(entry, FEATURE_TYPES, ("name",), f"feature {place}")
    feature = FeatureSpec(**{key: value for key, value in entry.items() if key not in NOTATION})
    if "decimal" in entry and feature.kind != "numeric":
        raise DataError(
            f"feature {feature.name!r}: decimal is of numbers; give it kind = 'numeric' or leave"
            " decimal out"
        )
    return feature


def _notation(entry: dict[str, Any]) -> Notation:
    """The writing of a feature's values, from its table."""
    try:
        missing = _texts(entry, "missing")
    except DataError as error:
        raise DataError(f"feature {entry['name']!r}: {error}") from None
    return Notation(name=entry["name"], missing=missing, decimal=entry.get("decimal", ""))


def _check_keys(
    content: dict[str, Any],
    types: dict[str, type | UnionType],
    needed: tuple[str, ...],
    where: str,
) -> None:
    for key, value in content.items():
        if key not in types:
            raise DataError(f"{where}: unknown key {key!r}; allowed: {', '.join(types)}")
        if not isinstance(value, types[key]) or isinstance(value, bool):
            raise DataError(f"{where}: {key} must be {TYPE_NAMES[types[key]]}, got {value!r}")
    for key in needed:
        if key not in content:
            raise DataError(f"{where}: key {key!r} is missing; needed are {', '.join(needed)}")


def _read_raw(root: Path, *, spec: DatasetSpec, layout: FileLayout, described_by: Path) -> RawLog:
    """All files of the patterns one after the other, in the order of their names."""
    found = _find(root, layout.files)
    paths = with_rows(found, has_header=not layout.columns, quote=layout.quote)
    if empty := sorted(set(found) - set(paths)):
        logger.warning("left out, as without rows: %s", ", ".join(map(str, empty)))
    folders = [
        {key: value for key, value in folder_values(path, root).items() if key in spec.columns}
        for path in paths
    ]
    tables = tuple(
        _open(path, spec, layout, values) for path, values in zip(paths, folders, strict=True)
    )
    _check_columns(tables, spec.columns)
    frame = pl.concat([layout.texts_of(table.scan(), spec.columns) for table in tables])
    return RawLog(
        frame=layout.values_of(frame, spec),
        files=tuple(paths),
        tables=tables,
        identity=layout.identity + (json.dumps(folders) if any(folders) else ""),
        described_by=described_by,
        writing=layout,
    )


def _find(root: Path, patterns: tuple[str, ...]) -> list[Path]:
    check_folder(root)
    found: set[Path] = set()
    for pattern in patterns:
        try:
            matching = list(root.glob(pattern))
        except (IndexError, NotImplementedError, ValueError) as error:  # by Python's version
            raise DataError(
                f"files = {pattern!r} is not a file pattern ({error}); use one such as 'log*.csv'"
            ) from None
        paths = {path for path in matching if is_meant(path, pattern)}
        if not paths:
            is_folder = any(path.is_dir() for path in matching)
            what = f"{pattern!r} matches a folder" if is_folder else f"no file matches {pattern!r}"
            raise DataError(f"{root}: {what}; correct 'files' or name another folder")
        found |= paths
    return sorted(found)


def _open(
    path: Path, spec: DatasetSpec, layout: FileLayout, folders: dict[str, str | None]
) -> RawTable:
    table = layout.open(path, spec.columns, spec.bag_separators)
    return FolderTable(table, tuple(folders.items())) if folders else table


def _check_columns(tables: tuple[RawTable, ...], needed: tuple[str, ...]) -> None:
    """Name the file that lacks a column, and one that has it."""
    for table in tables:
        for name in needed:
            other = next((other for other in tables if name in other.columns), None)
            if name not in table.columns and other is not None:
                raise DataError(
                    f"{table.path}: column {name!r} is missing, {other.path.name} has it; all"
                    " files of a log need the same columns: leave the odd one out of 'files', or"
                    " the column out of the features"
                )
        require_columns(table, needed)
