"""Unpacks chosen files of a zip or tar.gz archive that nobody needs to trust.

No name of an archive becomes a path: the caller says under which name an entry is written, straight
into one folder. What no honest archive of a log holds is refused: an absolute path or one that
climbs up, a chosen entry that is no plain file (link, device, folder), one that comes twice, and
more than `MAX_RATIO` times the bytes of the archive, which is noticed while they stream.
"""

from __future__ import annotations

import gzip
import lzma
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from datasets.fetch.progress import ByteProgress
from datasets.spec import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import IO

    Pick = Callable[[str], str | None]

T = TypeVar("T")

MAX_RATIO = 50  # text logs shrink 3 to 15 times
ALLOWANCE = 1 << 20  # bytes granted besides, for archives of a few bytes
MAX_ENTRIES = 100_000
MAX_HEADER_BYTES = 1 << 20  # of one name or comment: it is read into memory
BLOCK_BYTES = 1 << 20
ZIP, TAR = (".zip",), (".tar.gz", ".tgz")
UNREADABLE = (
    EOFError,
    LookupError,  # extra fields that are cut short
    OSError,  # a place before the file's start, damaged gzip or bzip2 streams
    RuntimeError,  # encrypted, a compression that zipfile lacks, headers of headers without end
    ValueError,  # names and numbers in headers
    lzma.LZMAError,
    struct.error,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)


def is_archive(name: str) -> bool:
    """Whether a file's name ends like one of the archives that can be unpacked."""
    return name.lower().endswith((*ZIP, *TAR))


def unpack(archive: Path, kind: str, pick: Pick, folder: Path) -> set[str]:
    """Write the chosen entries into a folder and return the names under which they stand there.

    `kind` is a name that tells the format by its ending. `pick` maps the path of an entry to the
    name of the file to write, or to none.

    Raises:
        DataError: the archive is damaged, or holds what is refused (see above).
    """
    unpacker = _Unpacker(archive, pick, folder)
    entries = unpacker.read_zip() if kind.lower().endswith(ZIP) else unpacker.read_tar()
    with ByteProgress(f"unpacking {archive.name}", total=None) as progress:
        for name, stream in unpacker.reading(entries):
            unpacker.write(name, stream, progress)
    return unpacker.written


class _Unpacker:
    """One archive on its way into a folder."""

    def __init__(self, archive: Path, pick: Pick, folder: Path) -> None:
        self.written: set[str] = set()
        self._archive = archive
        self._pick = pick
        self._folder = folder
        self._max_bytes = MAX_RATIO * archive.stat().st_size + ALLOWANCE
        self._num_bytes = 0
        self._num_entries = 0

    def refusal(self, reason: str) -> DataError:
        return DataError(f"{self._archive}: {reason}")

    def reading(self, items: Iterator[T]) -> Iterator[T]:
        """The items, with errors of the archive, but none of the disk that is written to, named."""
        try:
            yield from items
        except DataError:
            raise
        except UNREADABLE as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise self.refusal(f"cannot be unpacked ({reason}); fetch it again") from None

    def read_zip(self) -> Iterator[tuple[str, IO[bytes]]]:
        """The chosen entries of a zip archive."""
        with zipfile.ZipFile(self._archive) as archive:
            for entry in archive.infolist():
                mode = entry.external_attr >> 16  # of archives from Unix, else 0
                is_file = not entry.is_dir() and stat.S_IFMT(mode) in (0, stat.S_IFREG)
                if name := self._choose(_Entry(entry.orig_filename, is_file)):
                    with archive.open(entry) as stream:
                        yield name, stream

    def read_tar(self) -> Iterator[tuple[str, IO[bytes]]]:
        """The chosen entries of a tar.gz archive, which is read to its last checksum."""
        with _Gunzip(self._archive) as unzipped:
            with tarfile.open(fileobj=unzipped, mode="r:") as archive:
                for entry in archive:
                    self._check_room(entry.offset_data + entry.size)  # before it is skipped
                    is_file = entry.isreg() and not entry.issparse() and entry.size >= 0
                    name = self._choose(_Entry(entry.name, is_file))
                    stream = archive.extractfile(entry) if name else None
                    if name and stream:
                        yield name, stream
            while unzipped.read(BLOCK_BYTES):
                self._check_room(unzipped.tell())

    def write(self, name: str, stream: IO[bytes], progress: ByteProgress) -> None:
        """Write one file."""
        with (self._folder / name).open("xb") as target:
            for block in self.reading(iter(partial(stream.read, BLOCK_BYTES), b"")):
                self._num_bytes += len(block)
                self._check_room(self._num_bytes)
                target.write(block)
                progress.add(len(block))
        self.written.add(name)

    def _choose(self, entry: _Entry) -> str | None:
        """The name under which an entry is written, if it is."""
        self._num_entries += 1
        if self._num_entries > MAX_ENTRIES:
            raise self.refusal(f"holds more than {MAX_ENTRIES:,} entries; nothing is unpacked")
        if entry.escapes:
            raise self.refusal(
                f"entry {entry.path!r} leads out of the folder; no honest archive has such a name,"
                " nothing is unpacked"
            )
        name = self._pick(entry.path.removeprefix("./"))
        if name is None:
            return None
        if not entry.is_file:
            raise self.refusal(
                f"entry {entry.path!r} is no plain file (a link, device or folder), nothing is"
                " unpacked"
            )
        if name in self.written:
            raise self.refusal(f"holds more than one {name!r}, nothing is unpacked")
        return name

    def _check_room(self, num_bytes: int) -> None:
        if num_bytes > self._max_bytes:
            raise self.refusal(
                f"unpacks to more than {self._max_bytes:,} bytes, {MAX_RATIO} times its own size;"
                " it is no archive of a log, nothing is unpacked"
            )


@dataclass(frozen=True, slots=True)
class _Entry:
    """Path and kind of an entry."""

    path: str
    is_file: bool

    @property
    def escapes(self) -> bool:
        """Whether the path is absolute on any system, climbs up, or hides its end."""
        parts = re.split(r"[/\\]", self.path)
        is_absolute = parts[0] == "" or re.match("[A-Za-z]:", self.path)
        return bool(is_absolute) or ".." in parts or "\0" in self.path


class _Gunzip(gzip.GzipFile):
    """Decompresses, but never reads as much at once as only a hostile header asks for."""

    def read(self, size: int | None = -1) -> bytes:
        if size is None or not 0 <= size <= MAX_HEADER_BYTES:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return super().read(size)
