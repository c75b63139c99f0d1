"""Brings the raw files of a log into their folder, by network or from a file fetched by hand.

Files are worked on in the hidden folder `.download` within it, and moved to their place when they
are whole and checked.
"""

from __future__ import annotations

import fcntl
import logging
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from datasets.fetch.archives import is_archive, unpack
from datasets.fetch.expected import FileState, Known, Receipts, expected_files, names_of, state_of
from datasets.fetch.progress import ByteProgress
from datasets.fetch.transfer import Patience, fetch
from datasets.spec import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from datasets.fetch.archives import Pick
    from datasets.provenance import Download, Source

BLOCK_BYTES = 1 << 20

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RawFolder:
    """Where the files of a source lie, or shall lie."""

    source: Source
    root: Path

    def states(self) -> list[FileState]:
        """Every file of the log, and how it stands."""
        return [state_of(self.root / name, known) for name, known in self._expected.items()]

    def fetch(self, patience: Patience) -> None:
        """Fetch and unpack what is not there yet.

        Raises:
            DataError: a file cannot be fetched, or is not what it should be.
        """
        with self._sole_writer():
            for download in self.source.downloads:
                if self._has(download):
                    logger.info("%s: already there and verified", download.name)
                    continue
                fetched = self._work / download.name
                if Known.of(download).difference(fetched):
                    fetch(download, fetched, patience)
                self._place(download, fetched)
                fetched.unlink(missing_ok=True)

    def take(self, file: Path) -> None:
        """Check and place a file or an archive that was fetched by other means; it is kept.

        A compressed copy of an expected file is placed as it is, and not compared with it.

        Raises:
            DataError: it is not what is expected, or not expected at all.
        """
        if not file.is_file():
            raise DataError(f"{file}: there is no such file; name the one that you have fetched")
        logger.info("checking %s", file)
        problems = {
            download.name: Known.of(download).difference(file) for download in self.source.downloads
        }
        fitting = [download for download in self.source.downloads if not problems[download.name]]
        with self._sole_writer():
            if fitting:
                self._place(fitting[0], file)
            elif _plain_name(file) in self._expected and file.name not in problems:
                self._install({file.name: self._staged_copy(file)}, file)
            elif is_archive(file.name) and not problems:
                self._unpack_by_name(file)
            else:
                raise self._unknown(file, problems)

    @property
    def _work(self) -> Path:
        return self.root / ".download"

    @property
    def _receipts(self) -> Receipts:
        return Receipts(self._work / "receipts.json")

    @property
    def _expected(self) -> dict[str, Known]:
        return expected_files(self.source, self._receipts)

    def _has(self, download: Download) -> bool:
        """Whether all that a download brings is there and verified."""
        expected = self._expected
        states = [state_of(self.root / name, expected[name]) for name in names_of(download)]
        for state in states:
            if state.state == "differs":
                logger.warning("%s %s; it is fetched again", self.root / state.name, state.remark)
        return all(state.state == "verified" for state in states)

    def _place(self, download: Download, file: Path) -> None:
        """Put a verified download, or its members, into the folder."""
        if not download.members:
            is_ours = file.parent == self._work
            staged = file if is_ours else self._staged_copy(file)
            self._install({download.name: staged}, file)
            return
        names = dict(zip(download.members, names_of(download), strict=True))
        unpacked = self._unpack(file, download.name, names.get)
        if lacking := [member for member, name in names.items() if name not in unpacked]:
            raise DataError(
                f"{file}: the archive lacks {', '.join(lacking)}; it is another release than the"
                " one that is expected"
            )
        self._install(unpacked, file)
        self._receipts.add([self.root / name for name in unpacked], download)

    def _unpack_by_name(self, file: Path) -> None:
        """Unpack whatever expected files an archive of unknown layout holds."""
        expected = self._expected

        def pick(path: str) -> str | None:
            name = PurePosixPath(path).name
            return name if name in expected else None

        unpacked = self._unpack(file, file.name, pick)
        if not unpacked:
            raise DataError(f"{file}: the archive holds none of {', '.join(expected)}")
        self._install(unpacked, file)

    def _unpack(self, file: Path, kind: str, pick: Pick) -> dict[str, Path]:
        folder = self._fresh_folder()
        return {name: folder / name for name in sorted(unpack(file, kind, pick, folder))}

    def _staged_copy(self, file: Path) -> Path:
        target = self._fresh_folder() / file.name
        with (
            file.open("rb") as source,
            target.open("xb") as copy,
            ByteProgress(f"copying {file.name}", file.stat().st_size) as progress,
        ):
            while block := source.read(BLOCK_BYTES):
                copy.write(block)
                progress.add(len(block))
        return target

    def _install(self, staged: dict[str, Path], origin: Path) -> None:
        """Move files to their place once all of them are checked."""
        expected = self._expected
        for name, path in staged.items():
            if problem := expected.get(name, Known()).difference(path):
                raise DataError(f"{origin}: its {name} {problem}; nothing is put in place")
            if (self.root / name).is_dir():
                raise DataError(
                    f"{self.root / name} is a folder, where the file of that name belongs; move it"
                    " away"
                )
        for name, path in staged.items():
            path.replace(self.root / name)
            logger.info("placed %s", self.root / name)

    def _unknown(self, file: Path, problems: dict[str, str]) -> DataError:
        """The error of a file that is none of the expected ones."""
        if problems:
            listed = "; ".join(f"as {name} it {problem}" for name, problem in problems.items())
            return DataError(f"{file}: not the file that is expected: {listed}; fetch it again")
        return DataError(
            f"{file}: not a file of this log; expected are {', '.join(self._expected)}, or a .zip"
            " or .tar.gz of them; rename it if only its name differs"
        )

    def _fresh_folder(self) -> Path:
        """An empty folder for files on their way in."""
        folder = self._work / "staged"
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir()
        return folder

    @contextmanager
    def _sole_writer(self) -> Iterator[None]:
        """Keep other processes from writing into the same folder."""
        self._work.mkdir(parents=True, exist_ok=True)
        with (self._work / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise DataError(
                    f"{self.root}: another process is fetching into this folder; wait until it ends"
                ) from None
            try:
                yield
            finally:
                shutil.rmtree(self._work / "staged", ignore_errors=True)


def _plain_name(file: Path) -> str:
    """Name of a file without the ending of its compression, which readers accept."""
    return file.stem if file.suffix in (".gz", ".zst") else file.name
