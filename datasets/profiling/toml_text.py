"""Writes a proposal as the TOML file that describes the log, commented where it guessed."""

from __future__ import annotations

import glob
import itertools
import json
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from datasets.catalog import available

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datasets.profiling.columns import Column
    from datasets.profiling.proposal import Proposal

MAX_BAG_LENGTH = 64


def toml_text(proposal: Proposal) -> str:
    """The whole file."""
    paths = [table.path for table in proposal.files.tables]
    name = log_name(paths)
    lines = [
        f"# Proposed from {_rows_used(proposal)}. What is marked `guess` deserves a look.",
        f"# Save it beside the log as {name}.toml, then: run_all.py --data {name}.toml",
        "",
        f"name = {_quoted(name)}",
        f"files = {_quoted(file_pattern(paths))}",
        *_text_layout(proposal),
        *_label(proposal),
        *_timestamp(proposal),
        *_cluster(proposal),
        *_partition(proposal),
        "",
        "# The domain columns, then the others by what each alone says about the label.",
        "features = [",
        *(f"  {_feature(column)}" for column in proposal.features),
        *(
            f"  # {_quoted(column.name)},  # left out: {_plain(column.left_out)}"
            for column in proposal.left_out
        ),
        "]",
    ]
    return "\n".join(lines) + "\n"


def log_name(paths: Sequence[Path]) -> str:
    """A name for the log from what its files share, none that the catalog has."""
    stems = [path.name.split(".")[0] for path in paths]
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", _shared_start(stems)).strip("_-") or "my_log"
    return f"{name}_log" if name in available() else name


def file_pattern(paths: Sequence[Path]) -> str | list[str]:
    """The name of one file; a pattern that matches several and no others there, or their names."""
    names = [path.name for path in paths]
    if len(names) == 1:
        return glob.escape(names[0])
    start = _shared_start(names)
    end = _shared_start([name[len(start) :][::-1] for name in names])[::-1]
    pattern = f"{glob.escape(start)}*{glob.escape(end)}"
    matching = [
        path.name
        for path in paths[0].parent.iterdir()
        if path.is_file() and fnmatchcase(path.name, pattern)
    ]
    return pattern if sorted(matching) == sorted(names) else [glob.escape(name) for name in names]


def _shared_start(texts: Sequence[str]) -> str:
    first, last = min(texts), max(texts)
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    return "".join(letter for letter, _ in same)


def _rows_used(proposal: Proposal) -> str:
    profile, files = proposal.profile, proposal.files.tables
    where = files[0].path.name if len(files) == 1 else f"{len(files)} files"
    used = "all of them" if profile.is_whole else f"a random {len(profile.rows):,} of them"
    return _plain(f"the {profile.num_rows:,} rows of {where}, {used} looked at closely")


def _text_layout(proposal: Proposal) -> list[str]:
    lines = []
    if proposal.files.separator != ",":
        lines.append(f"separator = {_quoted(proposal.files.separator)}")
    if proposal.files.invented:
        lines.append(
            f"columns = {_quoted(list(proposal.files.invented))}  # guess: the first line is data;"
            " rename them as you like"
        )
    if proposal.missing_texts:
        lines.append(
            f"missing = {_quoted(list(proposal.missing_texts))}  # guess: they stand among numbers"
        )
    return lines


def _label(proposal: Proposal) -> list[str]:
    label = proposal.label
    others = ", ".join(other.name for other in proposal.other_labels)
    remark = f"  # 1 in {label.base_rate:.2%} of the rows"
    remark += f"; other columns with two values: {_plain(others)}" if others else ""
    lines = [f"label = {_quoted(label.name)}{remark}"]
    if label.positive:
        guess = f"  # guess: {_plain(label.guess)}" if label.guess else ""
        lines.append(f"positive = {_quoted(list(label.positive))}{guess}")
    return lines


def _timestamp(proposal: Proposal) -> list[str]:
    time = proposal.time
    if time is None:
        return ["# no timestamp found: the log is split by a seeded shuffle"]
    span = _plain(f"{time.kind}, {time.first} to {time.last}")
    lines = [f"timestamp = {_quoted(time.name)}  # {span}"]
    if time.layout is not None:
        also = f"  # guess: {time.alternative} fits as well" if time.alternative else ""
        lines.append(f"timestamp_format = {_quoted(time.layout)}{also}")
    return lines


def _cluster(proposal: Proposal) -> list[str]:
    users = proposal.cluster
    if users is None:
        return []
    return [f"cluster = {_quoted(users.name)}  # guess: {users.distinct:,} users"]


def _partition(proposal: Proposal) -> list[str]:
    chosen = proposal.partition
    lines = [
        f"partition = {_quoted(list(chosen.columns))}  # guess: {chosen.skew.num_domains:,} domains"
    ]
    if len(chosen.columns) > 1:
        lines.append(f"representative = {_quoted(chosen.columns[0])}  # guess")
    return lines


def _feature(column: Column) -> str:
    parts = [f"name = {_quoted(column.name)}", f"kind = {_quoted(column.kind)}"]
    if column.kind == "bag":
        length = min(max(column.lengths, 1), MAX_BAG_LENGTH)
        parts += [f"separator = {_quoted(column.separator)}", f"max_length = {length}"]
    entry = _quoted(column.name) if column.kind == "categorical" else f"{{ {', '.join(parts)} }}"
    missing = f", {column.missing_share:.1%} missing" if column.missing_share else ""
    guess = f"; guess: {column.guess}" if column.guess else ""
    return f"{entry},  # {column.distinct:,} values{missing}{guess}"


def _quoted(value: str | list[str]) -> str:
    """A TOML text or list of texts."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _plain(text: str) -> str:
    """Text that can stand in a comment: no control characters."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
