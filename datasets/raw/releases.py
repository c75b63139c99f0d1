"""Tells from the files of a folder which release of a log it holds, and refuses mixtures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from datasets.raw.tables import check_folder
from datasets.spec import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

SUFFIXES = ("", ".gz", ".zst")  # in order of preference


@dataclass(frozen=True, slots=True)
class Release:
    """One version of a log: the files of its rows, in order, and its side files."""

    name: str
    logs: tuple[str, ...]
    sides: tuple[str, ...] = ()

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
    begun = [release for release in releases if found[release.name]]
    kept = [release for release in begun if not _is_part_of_another(release, begun, found)]
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
    paths = (root / f"{name}{suffix}" for suffix in SUFFIXES)
    return next((path for path in paths if path.is_file()), None)


def nothing_found(
    root: Path, choices: Sequence[Sequence[str]], foreign: Mapping[str, str]
) -> DataError:
    """The error of a folder that holds none of the choices; names files that are something else."""
    strangers = [f"{name} is {what}" for name, what in foreign.items() if present_file(root, name)]
    wanted = "; or ".join(", ".join(files) for files in choices)
    return DataError(
        f"{root}: the files of this log are not there"
        f"{''.join(f' ({stranger})' for stranger in strangers[:1])}; needed are {wanted} (or the"
        " same with .gz or .zst); put them into the folder or name another folder"
    )


def _present(root: Path, names: Sequence[str]) -> dict[str, Path]:
    paths = {name: present_file(root, name) for name in names}
    return {name: path for name, path in paths.items() if path is not None}


def _is_part_of_another(
    release: Release, begun: Sequence[Release], found: Mapping[str, Mapping[str, Path]]
) -> bool:
    """Tell whether another release explains these files and more; of equals the first counts."""
    own = set(found[release.name])
    place = begun.index(release)
    return any(
        own < set(found[other.name])
        or (own == set(found[other.name]) and begun.index(other) < place)
        for other in begun
        if other is not release
    )
