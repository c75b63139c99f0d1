"""Archives, unpacked into one folder and never trusted.

No name of an archive becomes a path: the caller says under which name an entry is written, straight
into one folder. An archive of a log holds no absolute path and none that climbs up, and the chosen
entries are plain files, each there once, of at most `MAX_RATIO` times the bytes of the archive.
Anything else is refused.
"""

from __future__ import annotations

import errno
import lzma
import re
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
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


class _Entry(NamedTuple):
    """An entry of an archive, its size in bytes."""

    path: str
    size: int
    is_plain: bool
    open: Callable[[], IO[bytes] | None]


def unpack(archive: Path, name_of: Callable[[str], str | None], folder: Path) -> None:
    """Write the chosen entries into an empty folder.

    `name_of` maps the path of an entry to the name of the file to write, or to none.

    Raises:
        DataError: the archive is damaged, or holds what is refused (see above).
    """
    is_zip = archive.suffix.lower() == ".zip" or zipfile.is_zipfile(archive)
    room = MAX_RATIO * archive.stat().st_size + ALLOWANCE
    try:
        for entry in _zip_entries(archive) if is_zip else _tar_entries(archive):
            name = name_of(entry.path.removeprefix("./"))
            room -= entry.size if name else 0
            if reason := _reason_against(entry, folder / name if name else None, room):
                raise DataError(f"{archive}: {reason}; nothing is unpacked")
            if name and (source := entry.open()):
                with source, (folder / name).open("xb") as target:
                    shutil.copyfileobj(source, target, BLOCK_BYTES)
    except DataError:
        raise
    except UNREADABLE as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):  # of the disk
            raise
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{archive}: cannot be unpacked ({reason}); fetch it again") from None


def _reason_against(entry: _Entry, target: Path | None, room: int) -> str:
    """Why an archive with such an entry is refused; empty if it is not.

    Only an entry that would be written has a target. A path may be absolute on another system.
    """
    parts = re.split(r"[/\\]", entry.path)
    if parts[0] == "" or ".." in parts or "\0" in entry.path or re.match("[A-Za-z]:", parts[0]):
        return f"entry {entry.path!r} leads out of the folder; no honest archive has such a name"
    if target is None:
        return ""
    if not entry.is_plain or entry.size < 0:
        return f"entry {entry.path!r} is no plain file (a link, device or folder)"
    if target.exists():
        return f"holds more than one {target.name!r}"
    if room < 0:
        return f"unpacks to more than {MAX_RATIO} times its own size; it is no archive of a log"
    return ""


def _zip_entries(path: Path) -> Iterator[_Entry]:
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            kind = stat.S_IFMT(entry.external_attr >> 16)  # of archives from Unix, else 0
            is_plain = not entry.is_dir() and kind in (0, stat.S_IFREG)
            opened = partial(archive.open, entry)
            yield _Entry(entry.orig_filename, entry.file_size, is_plain, opened)


def _tar_entries(path: Path) -> Iterator[_Entry]:
    """The entries of an archive that is read to its last checksum."""
    with tarfile.open(path, "r:gz") as archive:
        for entry in archive:
            opened = partial(archive.extractfile, entry)
            yield _Entry(entry.name, entry.size, entry.isreg(), opened)
        while archive.fileobj and archive.fileobj.read(BLOCK_BYTES):
            pass
