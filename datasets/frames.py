"""A log that is a frame in memory: kept as a Parquet file with its description beside it.

So it is a log like any other: what reads it, prepares it and proposes its description is the same.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa

from datasets.catalog.custom import TYPES
from datasets.describe import propose_for
from datasets.encoding.cache import shared_folder
from datasets.profiling.proposal import quoted, remarks, toml_text
from datasets.spec import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NAME, ROWS = "frame", "frame.parquet"
OF_FILES = ("files", "separator", "quote", "columns")  # keys that say nothing of a frame
KEYS = tuple(key for key in TYPES if key not in OF_FILES)
WHOLE = ("label", "partition", "features")  # with them nothing is proposed


@dataclass(frozen=True, slots=True)
class KeptFrame:
    """The TOML file that describes a frame, and what its proposal remarks on."""

    description: Path
    remarks: tuple[str, ...] = ()


def polars_frame(frame: object) -> pl.DataFrame:
    """A pandas or polars frame as one of polars; the index of pandas is left out.

    Raises:
        DataError: it is no frame, or a column of it holds values of several kinds.
    """
    import pandas as pd  # slow to import

    if isinstance(frame, pl.DataFrame):
        return frame
    if not isinstance(frame, pd.DataFrame):
        kind = type(frame).__name__
        raise DataError(f"rows must be a pandas or polars DataFrame, got a {kind}")
    try:
        return pl.DataFrame(pa.Table.from_pandas(frame, preserve_index=False))
    except (TypeError, ValueError) as error:  # those of pyarrow are among them
        reason = " ".join(str(error).split())
        raise DataError(f"the frame cannot be read ({reason}); mend or drop the column") from None


def keep_frame(frame: pl.DataFrame, folder: Path, given: Mapping[str, object]) -> KeptFrame:
    """Write a frame and its description below `folder`; an equal frame is written once.

    `given` has keys of a TOML description. With those of `WHOLE` it is the whole description. Else
    `datasets.describe` proposes what is missing, and a key that is None is left out.

    Raises:
        DataError: a key is unknown, a column is not there, or nothing can be proposed.
    """
    _check_given(frame, given)
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    digest = hashlib.sha256(buffer.getbuffer()).hexdigest()

    def write(empty: Path) -> dict[str, Any]:
        (empty / ROWS).write_bytes(buffer.getbuffer())
        return {}

    kept, _ = shared_folder(folder, digest, write)
    content: dict[str, Any] = {"name": NAME, "files": ROWS}
    lines: tuple[str, ...] = ()
    if not all(key in given for key in WHOLE):
        label = given.get("label")
        wanted = label if isinstance(label, str) else None
        try:
            proposal = propose_for([kept / ROWS], label=wanted)
        except DataError as error:  # its remedy is one of the command line
            raise DataError(str(error).replace("--label", "label=")) from None
        content, lines = tomllib.loads(toml_text(proposal)), tuple(remarks(proposal))
    return KeptFrame(_written(_merged(content, given), kept), lines)


def _check_given(frame: pl.DataFrame, given: Mapping[str, object]) -> None:
    """Refuse keys that say nothing of a frame, and columns that it lacks."""
    for key, value in given.items():
        if key not in KEYS:
            raise DataError(f"unknown key {key!r} of a description; allowed: {', '.join(KEYS)}")
        if key in ("label", "timestamp", "cluster", "item", "representative"):
            columns = [] if value is None else [value]
        elif key in ("partition", "features"):
            if not isinstance(value, list | tuple):
                raise DataError(f"{key} must be a list of columns, got {value!r}")
            columns = [_name_of(own) for own in value]
        else:
            continue
        if lacking := [column for column in columns if column not in frame.columns]:
            raise DataError(
                f"{key} names the column {lacking[0]!r}, which the frame lacks; it has"
                f" {', '.join(frame.columns)}"
            )
    if "features" in given and not all(key in given for key in WHOLE):
        raise DataError(
            f"features are given without {' and '.join(key for key in WHOLE if key not in given)};"
            f" give {', '.join(WHOLE)}, or leave features out to have them proposed"
        )


def _merged(proposed: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """A description with the keys that are given, and without what was proposed beside them."""
    dependent = {
        "label": ("positive", "positive_from"),
        "positive": ("positive_from",),
        "positive_from": ("positive",),
        "timestamp": ("timestamp_format",),
        "partition": ("representative",),
    }
    kept = dict(proposed)
    for key, others in dependent.items():
        if key in given and given[key] != proposed.get(key):
            kept = {name: value for name, value in kept.items() if name not in others}
    content = {**kept, **given}
    if "features" not in given:
        content["features"] = _features_of(content)
    return {key: value for key, value in content.items() if value is not None}


def _features_of(content: Mapping[str, Any]) -> list[Any]:
    """The proposed features, with the domain columns as categorical ones before all others."""
    entries = {_name_of(entry): entry for entry in content["features"]}
    domains = {
        name: entries[name] if _is_categorical(entries.get(name)) else name
        for name in content["partition"]
    }
    no_features = (content["label"], content.get("timestamp"))
    others = [own for name, own in entries.items() if name not in (*domains, *no_features)]
    return [*domains.values(), *others]


def _name_of(entry: object) -> object:
    return entry.get("name") if isinstance(entry, dict) else entry


def _is_categorical(entry: object) -> bool:
    return isinstance(entry, dict) and "kind" not in entry


def _written(content: Mapping[str, Any], folder: Path) -> Path:
    """The TOML file of a description, written whole."""
    text = "".join(f"{key} = {_toml(value)}\n" for key, value in content.items())
    path = folder / f"{NAME}-{hashlib.sha256(text.encode()).hexdigest()[:12]}.toml"
    part = path.with_suffix(f".{os.getpid()}")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
    return path


def _toml(value: object) -> str:
    """A value as TOML writes it.

    Raises:
        DataError: it cannot stand in a description.
    """
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {_toml(own)}' for key, own in value.items())} }}"
    if isinstance(value, int | float):
        return json.dumps(value)
    raise DataError(f"a description holds texts, numbers, lists and dicts, got {value!r}")
