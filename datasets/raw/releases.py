"""A release of a log: the files of a folder that make it, and how their rows are joined.

The rows of a log are joined with files that hold one row for each key, in one streamed pass. A
folder that holds files of several releases is refused.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from datasets.raw.raw_log import RawLog
from datasets.raw.tables import check_folder, require_columns
from datasets.raw.text import TextTable
from datasets.spec import DataError, MissingFilesError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

SUFFIXES = ("", ".gz", ".zst")  # in order of preference
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Release:
    """One version of a log: the files of its rows, in order, and its side files.

    `whole` is the release of which it is a part, empty if it is none.
    """

    name: str
    logs: tuple[str, ...]
    sides: tuple[str, ...] = ()
    whole: str = ""

    @property
    def published(self) -> str:
        """The name of the release that is published: its own, or that of the whole."""
        return self.whole or self.name

    @property
    def files(self) -> tuple[str, ...]:
        """All files that must be there."""
        return self.logs + self.sides


@dataclass(frozen=True, slots=True)
class ReleaseFiles:
    """The files of a release in their folder."""

    release: Release
    logs: tuple[Path, ...]
    sides: tuple[Path, ...]


def find_release(
    root: Path, releases: Sequence[Release], foreign: Mapping[str, str]
) -> ReleaseFiles:
    """The one release whose files a folder holds.

    `foreign` says of files that belong to something else what they are.

    Raises:
        DataError: no release, more than one, or not all files of one are there.
    """
    check_folder(root)
    found = {release.name: _present(root, release.files) for release in releases}
    begun: dict[frozenset[str], Release] = {}  # by their files; of equals the first counts
    for release in releases:
        begun.setdefault(frozenset(found[release.name]), release)
    kept = [
        release
        for names, release in begun.items()
        if names and not any(names < more for more in begun)  # of others that explain these too
    ]
    if not kept:
        raise nothing_found(root, [release.files for release in releases], foreign)
    if len(kept) > 1:
        listed = " and ".join(
            f"{release.name} ({', '.join(found[release.name])})" for release in kept
        )
        raise DataError(
            f"{root}: files of different releases are mixed: {listed}; give each release a folder"
            " of its own"
        )
    release, paths = kept[0], found[kept[0].name]
    if missing := [name for name in release.files if name not in paths]:
        raise DataError(
            f"{root}: {', '.join(missing)} (or the same with .gz or .zst) is missing;"
            f" {release.name} needs {', '.join(release.files)}, and {', '.join(paths)} is there;"
            " add what is missing"
        )
    return ReleaseFiles(
        release,
        tuple(paths[name] for name in release.logs),
        tuple(paths[name] for name in release.sides),
    )


def names_with_suffixes(name: str) -> list[str]:
    """Under what names a folder may hold a file, plain or compressed."""
    return [f"{name}{suffix}" for suffix in SUFFIXES]


def present_file(root: Path, name: str) -> Path | None:
    """The plain or compressed file of a name, if a folder holds one."""
    paths = (root / file for file in names_with_suffixes(name))
    return next((path for path in paths if path.is_file()), None)


def nothing_found(
    root: Path, choices: Sequence[Sequence[str]], foreign: Mapping[str, str]
) -> MissingFilesError:
    """The error of a folder that holds none of the choices; names files that are something else."""
    strangers = [f"{name} is {what}" for name, what in foreign.items() if present_file(root, name)]
    wanted = "; or ".join(", ".join(files) for files in choices)
    return MissingFilesError(
        f"{root}: the files of this log are not there"
        f"{''.join(f' ({stranger})' for stranger in strangers[:1])}; needed are {wanted} (or the"
        " same with .gz or .zst); put them into the folder or name another folder"
    )


def _present(root: Path, names: Sequence[str]) -> dict[str, Path]:
    paths = {name: present_file(root, name) for name in names}
    return {name: path for name, path in paths.items() if path is not None}


@dataclass(frozen=True, eq=False)
class SideFile:
    """A file with one row for each value of `key`, which is a column of the log.

    `frame` holds the key and the columns that are joined. `is_complete` says that the release
    describes every value that the log names, so that an absent one is an error.
    """

    table: TextTable
    key: str
    frame: pl.LazyFrame
    is_complete: bool = True

    @classmethod
    def open(cls, path: Path, key: str, columns: tuple[str, ...]) -> SideFile:
        """A comma-separated file whose key and columns have the names that the log needs.

        Raises:
            DataError: the file cannot be opened or lacks a column.
        """
        table = TextTable.open(path)
        require_columns(table, (key, *columns))
        return cls(table, key, table.scan().select(key, *columns))

    def check(self) -> None:
        """Read every line once.

        Raises:
            DataError: a line is malformed, or two have the same key.
        """
        _ = self.table.num_rows
        rows = self.frame.select(self.key).with_row_index("row")
        counts = rows.group_by(self.key).agg(pl.len().alias("count"), pl.col("row").min())
        repeated = counts.filter(pl.col("count") > 1).collect(engine="streaming").sort("row")
        if len(repeated):
            first = repeated.row(0, named=True)
            raise DataError(
                f"{self.table.locate(first['row'])}: {self.key} {first[self.key]!r} occurs more"
                f" than once; a side file has one line per {self.key}"
            )


@dataclass(frozen=True, eq=False)
class Rule:
    """A condition on every row of a file of the official release, and its words."""

    table: TextTable
    holds: pl.Expr
    words: str

    def check(self) -> None:
        """Look for the first row that breaks it.

        Raises:
            DataError: there is one.
        """
        rows = self.table.scan().select(holds=self.holds.fill_null(value=False))
        broken = rows.with_row_index("row").filter(~pl.col("holds")).select("row").head(1)
        found = broken.collect(engine="streaming")
        if len(found):
            place = self.table.locate(int(found.item()))
            raise DataError(f"{place}: {self.words}; take the official file")


@dataclass(frozen=True, kw_only=True)
class JoinedLog(RawLog):
    """A log whose rows were joined; `joins` say which of its files with which side file."""

    joins: tuple[tuple[TextTable, SideFile], ...]
    rules: tuple[Rule, ...] = ()

    def check(self) -> None:
        """Read every line of all files once, and look for keys that a side file lacks.

        Raises:
            DataError: a line is malformed, breaks a rule, a key comes twice, or a row has none.
        """
        super().check()
        for rule in self.rules:
            rule.check()
        for side in dict.fromkeys(side for _, side in self.joins):
            side.check()
        for table, side in self.joins:
            _check_keys(table, side)


def join_sides(rows: pl.LazyFrame, sides: Iterable[SideFile]) -> pl.LazyFrame:
    """The rows in their order, with the columns of all side files."""
    for side in sides:
        rows = rows.join(side.frame, on=side.key, how="left", maintain_order="left")
    return rows


def _check_keys(table: TextTable, side: SideFile) -> None:
    keys = table.scan().select(side.key).with_row_index("row")
    absent = keys.join(side.frame.select(side.key), on=side.key, how="anti").select(
        pl.len().alias("rows"),
        pl.col(side.key).n_unique().alias("values"),
        pl.col("row").min(),
        pl.col(side.key).sort_by("row").first().alias("first"),
    )
    found = absent.collect(engine="streaming").row(0, named=True)
    if not found["rows"]:
        return
    lacks = f"{found['rows']} rows name {found['values']} values of {side.key} that"
    if not side.is_complete:
        logger.warning(
            "%s: %s %s lacks; they are prepared with its columns missing",
            table.path,
            lacks,
            side.table.path.name,
        )
        return
    raise DataError(
        f"{table.locate(found['row'])}: {side.key} {found['first']!r} is not in"
        f" {side.table.path.name}; {lacks} it lacks; take both files whole from one release"
    )
