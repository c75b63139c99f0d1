"""Archives, unpacked into one folder and never trusted.

No name of an archive becomes a path: the caller says under which name an entry is written, straight
into one folder. An archive of a log holds no absolute path and none that climbs up, and the chosen
entries are plain files, each there once, of at most `MAX_RATIO` times the bytes of the archive.
Anything else is refused.
"""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import lzma
import re
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from datasets.spec import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import IO

MAX_RATIO = 50  # text logs shrink 3 to 15 times
ALLOWANCE = 1 << 20  # bytes granted besides, for archives of a few bytes
BLOCK_BYTES = 1 << 20
HEAD_BYTES = 512  # the name of a tar archive's format ends at byte 262
GZIP, XZ = b"\x1f\x8b", b"\xfd7zXZ\x00"
ZIP = re.compile(rb"PK(\x03\x04|\x05\x06)")  # the second of an empty one
BZIP2 = re.compile(rb"BZh\d(1AY&SY|\x17rE8P\x90)")  # the second of an empty file
TAR = re.compile(rb".{257}ustar", re.DOTALL)
ENCRYPTED = 1  # the bit of a zip entry's flags
TOO_LARGE = f"unpacks to more than {MAX_RATIO} times its own size, unlike a log"
UNREADABLE = (
    EOFError,
    LookupError,  # extra fields that are cut short
    OSError,  # damaged gzip streams, a place before the file's start
    RuntimeError,  # encrypted, a compression that zipfile lacks, headers of headers without end
    ValueError,  # names and numbers in headers
    lzma.LZMAError,
    struct.error,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)


class ArchiveEntry(NamedTuple):
    """An entry of an archive, its size in bytes."""

    path: str
    size: int
    is_folder: bool
    is_plain: bool
    is_encrypted: bool
    open: Callable[[], IO[bytes] | None]


def unpack(archive: Path, name_of: Callable[[ArchiveEntry], str | None], folder: Path) -> None:
    """Write the chosen entries into an empty folder.

    `name_of` maps an entry to the name of the file to write, or to none.

    Raises:
        DataError: the archive is damaged, or holds what is refused (see above).
    """
    room = _room(archive)
    with _readable(archive):
        for entry in _zip_entries(archive) if is_zip(archive) else _tar_entries(archive):
            name = name_of(entry)
            room -= entry.size if name else 0
            if reason := _reason_against(entry, folder / name if name else None, room):
                raise _refused(archive, reason)
            if name and (source := entry.open()):
                with source, (folder / name).open("xb") as target:
                    shutil.copyfileobj(source, target, BLOCK_BYTES)


def decompress(packed: Path, target: Path) -> None:
    """Write the plain bytes of a file packed by gzip, bzip2 or xz as a new file.

    Raises:
        DataError: the file is damaged, or larger than an archive may be.
    """
    room = _room(packed)
    with _readable(packed), _open_plain(packed) as source, target.open("xb") as sink:
        while block := source.read(BLOCK_BYTES):
            room -= len(block)
            if room < 0:
                raise _refused(packed, TOO_LARGE)
            sink.write(block)


def is_zip(path: Path) -> bool:
    """True of a zip archive, by its first bytes."""
    return ZIP.match(_head(path)) is not None


def is_tar(path: Path) -> bool:
    """True of a tar archive, plain or in gzip, bzip2 or xz, by its first bytes."""
    try:
        with _open_plain(path) as stream:
            return TAR.match(stream.read(HEAD_BYTES)) is not None
    except UNREADABLE:
        return False


def is_bzip2_or_xz(path: Path) -> bool:
    """True of a file packed by bzip2 or xz, by its first bytes."""
    head = _head(path)
    return BZIP2.match(head) is not None or head.startswith(XZ)


def _head(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(HEAD_BYTES)


def _open_plain(path: Path) -> io.BufferedIOBase:
    head = _head(path)
    if head.startswith(GZIP):
        return gzip.GzipFile(path)
    if BZIP2.match(head):
        return bz2.BZ2File(path)
    return lzma.LZMAFile(path) if head.startswith(XZ) else path.open("rb")


def _room(archive: Path) -> int:
    """The bytes that an archive may hold."""
    return MAX_RATIO * archive.stat().st_size + ALLOWANCE


def _refused(archive: Path, reason: str) -> DataError:
    return DataError(
        f"{archive}: {reason}; nothing is unpacked: do it yourself if you trust the archive"
    )


@contextmanager
def _readable(archive: Path) -> Iterator[None]:
    """Errors of damaged archives as one line; those of the disk pass through."""
    try:
        yield
    except DataError:
        raise
    except UNREADABLE as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):  # of the disk
            raise
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(
            f"{archive}: cannot be unpacked ({reason}); fetch it again, or unpack it yourself"
        ) from None


def _reason_against(entry: ArchiveEntry, target: Path | None, room: int) -> str:
    """Why an archive with such an entry is refused; empty if it is not.

    Only an entry that would be written has a target. A path may be absolute on another system.
    """
    parts = re.split(r"[/\\]", entry.path)
    if parts[0] == "" or ".." in parts or "\0" in entry.path or re.match("[A-Za-z]:", parts[0]):
        return f"entry {entry.path!r} leads out of the folder, as in no honest archive"
    if target is None:
        return ""
    if not entry.is_plain or entry.size < 0:
        return f"entry {entry.path!r} is no plain file (a link, device or folder)"
    if entry.is_encrypted:
        return f"entry {entry.path!r} is encrypted"
    if target.exists():
        return f"holds more than one {target.name!r}"
    return TOO_LARGE if room < 0 else ""


def _zip_entries(path: Path) -> Iterator[ArchiveEntry]:
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            kind = stat.S_IFMT(entry.external_attr >> 16)  # of archives from Unix, else 0
            yield ArchiveEntry(
                path=entry.orig_filename.removeprefix("./"),
                size=entry.file_size,
                is_folder=entry.is_dir(),
                is_plain=not entry.is_dir() and kind in (0, stat.S_IFREG),
                is_encrypted=bool(entry.flag_bits & ENCRYPTED),
                open=partial(archive.open, entry),
            )


def _tar_entries(path: Path) -> Iterator[ArchiveEntry]:
    """The entries of an archive, plain or in gzip, bzip2 or xz, read to its last checksum."""
    with _open_plain(path) as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
        for entry in archive:
            yield ArchiveEntry(
                path=entry.name.removeprefix("./"),
                size=entry.size,
                is_folder=entry.isdir(),
                is_plain=entry.isreg(),
                is_encrypted=False,
                open=partial(archive.extractfile, entry),
            )
        while stream.read(BLOCK_BYTES):
            pass
