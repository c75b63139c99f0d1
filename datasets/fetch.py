"""The raw files of a log in their folder: fetched with pooch, or taken from a file of the user's.

Files are worked on in the hidden folder `.download` within it, and moved to their place when they
are whole and checked. Publishers state the digest of an archive alone; those of its files are kept
beside the work, so that damage is noticed later.
"""

from __future__ import annotations

import logging
import shutil
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

import pooch
from pooch.hashes import hash_matches

from datasets.files import locked
from datasets.raw.archives import unpack
from datasets.raw.releases import present_file
from datasets.spec import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from datasets.provenance import Download, Source

ENDINGS = (".zip", ".tar.gz", ".tgz")
CHUNK_BYTES = 1 << 18
NUM_RETRIES = 2  # with growing pauses
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FileState:
    """The state of one expected file in its folder."""

    name: str
    state: Literal["verified", "there", "differs", "missing"]
    remark: str = ""


@dataclass(frozen=True, slots=True)
class RawFolder:
    """The folder where the files of a source lie, or shall lie."""

    source: Source
    root: Path

    def states(self) -> list[FileState]:
        """The state of every file of the log."""
        return [_state_of(self.root / name, digest) for name, digest in self._digests.items()]

    def fetch(self) -> None:
        """Fetch and unpack what is not there yet.

        Raises:
            DataError: a file cannot be fetched, or is not what it should be.
        """
        with self._staging() as staging:
            for download in self.source.downloads:
                names = names_of(download)
                states = {state.state for state in self.states() if state.name in names}
                if states == {"verified"}:
                    logger.info("%s: already there and verified", download.name)
                else:
                    self._place(download, _fetch(download, staging.parent), staging)

    def take(self, file: Path) -> None:
        """Check and place a file or an archive that was fetched by other means; it is kept.

        A compressed copy of an expected file is placed as it is, and not compared with it.

        Raises:
            DataError: it is not what is expected, or not expected at all.
        """
        if not file.is_file():
            raise DataError(f"{file}: there is no such file; name the one that you have fetched")
        downloads = self.source.downloads
        plain_name = file.stem if file.suffix in (".gz", ".zst") else file.name
        fitting = [each for each in downloads if hash_matches(file, each.digest)]
        with self._staging() as staging:
            if fitting:
                self._place(fitting[0], file, staging)
            elif plain_name in self._digests and file.name not in {each.name for each in downloads}:
                shutil.copyfile(file, staging / file.name)
                self._install(staging)
            elif file.name.lower().endswith(ENDINGS) and not downloads:
                self._unpack_by_name(file, staging)
            else:
                raise self._unknown(file)

    @property
    def _work(self) -> Path:
        return self.root / ".download"

    @property
    def _digests(self) -> dict[str, str]:
        """All files of the log by name, with the digest of those of which one is known."""
        digests = dict.fromkeys(self.source.files, "")
        for download in self.source.downloads:
            kept, path = {download.name: download.digest}, self._registry(download)
            if download.members and path.exists():
                lines = path.read_text(encoding="utf-8").splitlines()
                kept = {
                    name: digest for name, _, digest in (line.rpartition(" ") for line in lines)
                }
            digests |= {name: kept.get(name, "") for name in names_of(download)}
        return digests

    def _registry(self, download: Download) -> Path:
        """The list of the digests of what this very release of an archive held."""
        return self._work / f"{download.name}-{download.digest[-12:]}.txt"

    def _place(self, download: Download, file: Path, staging: Path) -> None:
        """Put a verified download, or its members, into the folder."""
        names = dict(zip(download.members, names_of(download), strict=False))
        if not download.members:
            shutil.copyfile(file, staging / download.name)
        else:
            unpack(file, lambda entry: names.get(entry.path), staging)
            pooch.make_registry(staging, self._registry(download))
        if lacking := [member for member, name in names.items() if not (staging / name).exists()]:
            raise DataError(
                f"{file}: the archive lacks {', '.join(lacking)}; it is another release than the"
                " one that is expected"
            )
        self._install(staging)

    def _unpack_by_name(self, file: Path, staging: Path) -> None:
        """Unpack whatever expected files an archive of unknown layout holds."""
        names = {name: name for name in self._digests}
        unpack(file, lambda entry: names.get(PurePosixPath(entry.path).name), staging)
        if not any(staging.iterdir()):
            raise DataError(f"{file}: the archive holds none of {', '.join(names)}")
        self._install(staging)

    def _install(self, staging: Path) -> None:
        """Move all files to their place."""
        paths = sorted(staging.iterdir())
        for path in paths:
            if (self.root / path.name).is_dir():
                raise DataError(
                    f"{self.root / path.name} is a folder, where the file of that name belongs;"
                    " move it away"
                )
        for path in paths:
            path.replace(self.root / path.name)
            logger.info("placed %s", self.root / path.name)

    def _unknown(self, file: Path) -> DataError:
        """The error of a file that is none of the expected ones."""
        expected = ", ".join(f"{each.name} of {each.digest}" for each in self.source.downloads)
        if expected:
            return DataError(
                f"{file}: not the file that is expected, which is {expected}; fetch it again"
            )
        return DataError(
            f"{file}: not a file of this log; expected are {', '.join(self._digests)}, or a .zip"
            " or .tar.gz of them; rename it if only its name differs"
        )

    @contextmanager
    def _staging(self) -> Iterator[Path]:
        """An empty folder for files on their way in, which no other process uses."""
        reason = "another process is fetching into this folder; wait until it ends"
        with locked(self._work / "lock", refusal=reason):
            folder = self._work / "fetched"
            shutil.rmtree(folder, ignore_errors=True)  # the rest of a killed process
            (folder / "staged").mkdir(parents=True)
            try:
                yield folder / "staged"
            finally:
                shutil.rmtree(folder)


def names_of(download: Download) -> list[str]:
    """Names in the folder of raw files of what a download brings."""
    return [PurePosixPath(member).name for member in download.members] or [download.name]


def _state_of(path: Path, digest: str) -> FileState:
    if not path.exists():
        if packed := present_file(path.parent, path.name):
            return FileState(path.name, "there", f"as {packed.name}, which is not compared")
        return FileState(path.name, "missing")
    if not path.is_file():
        return FileState(path.name, "differs", "is no file")
    if not digest:
        return FileState(path.name, "there", "no digest is known")
    if hash_matches(path, digest):
        return FileState(path.name, "verified", "its digest fits")
    return FileState(path.name, "differs", "has another digest than the one that is expected")


def _fetch(download: Download, folder: Path) -> Path:
    """The verified file of a download, in a folder.

    Raises:
        DataError: the server does not deliver the file that is expected.
    """
    downloader = pooch.HTTPDownloader(
        progressbar=sys.stderr.isatty(),
        chunk_size=CHUNK_BYTES,
        headers={"Accept-Encoding": "identity"},  # or a server may send a .tar.gz unzipped
    )
    source = pooch.create(
        path=folder,
        base_url="",
        registry={download.name: download.digest},
        urls={download.name: download.url},
        retry_if_failed=NUM_RETRIES,
    )
    try:
        return Path(source.fetch(download.name, downloader=downloader))
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # of the disk
            raise
        raise DataError(
            f"{download.name} cannot be fetched from {download.url} ({error}); run the command"
            " again later, or get the file by other means: python -m datasets.download NAME"
            " --from-file FILE"
        ) from None
