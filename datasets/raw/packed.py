"""Files that are unpacked before they are read: an archive of one table, bzip2 and xz.

A copy in the cache serves as long as the file stays the same; a changed file replaces its copy.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from datasets.files import locked
from datasets.raw.archives import decompress, is_bzip2_or_xz, is_tar, is_zip, unpack
from datasets.spec import DataError

if TYPE_CHECKING:
    from collections.abc import Callable

    from datasets.raw.archives import ArchiveEntry

COPIES = Path(__file__).parent.parent / "data" / "unpacked"
OF_WORKBOOKS = frozenset(("[Content_Types].xml", "content.xml"))
OF_DESKTOPS = frozenset(("Thumbs.db", "desktop.ini"))
MAX_LISTED = 8
logger = logging.getLogger(__name__)


def plain_file(path: Path) -> Path:
    """The file itself, or its unpacked copy; told by the first bytes, never by the name.

    Raises:
        DataError: an archive holds no file or several, is damaged, or holds what is refused.
        OSError: the file cannot be read, or the copy not be written.
    """
    if is_zip(path) or is_tar(path):
        return _copy_of(path, _unpack_table)
    return _copy_of(path, decompress) if is_bzip2_or_xz(path) else path


def _copy_of(path: Path, write: Callable[[Path, Path], None]) -> Path:
    """The copy of a file in the state it is in, written unless it is there."""
    state = path.stat()
    folder = COPIES / hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]
    copy = folder / f"{state.st_size}-{state.st_mtime_ns}-{state.st_ctime_ns}"
    if copy.exists():
        return copy
    with locked(folder / ".lock", waiting=f"waiting for the process that unpacks {path}"):
        if copy.exists():
            return copy
        for old in folder.glob("[!.]*"):  # of another state, or of a killed process
            old.unlink() if old.is_file() else shutil.rmtree(old)
        logger.info("unpacking %s as %s", path, copy)
        staging = folder / "part"
        staging.mkdir()
        try:
            write(path, staging / "table")
            (staging / "table").replace(copy)
        finally:
            shutil.rmtree(staging)
    return copy


def _unpack_table(archive: Path, table: Path) -> None:
    """Write the one file of an archive as a new file."""
    files: list[str] = []

    def name_of(entry: ArchiveEntry) -> str | None:
        if entry.is_folder or _is_of_a_tool(entry.path):
            return None
        files.append(entry.path)
        return table.name if len(files) == 1 else None

    unpack(archive, name_of, table.parent)
    if not OF_WORKBOOKS.isdisjoint(files):
        raise DataError(f"{archive}: this is a workbook of Excel or the like; save it as CSV")
    if not files:
        raise DataError(
            f"{archive}: the archive holds no file (names from . or _ on do not count); fetch it"
            " again"
        )
    if len(files) > 1:
        more = f" and {len(files) - MAX_LISTED:,} more" if len(files) > MAX_LISTED else ""
        raise DataError(
            f"{archive}: the archive holds {len(files):,} files, where one can be read:"
            f" {', '.join(files[:MAX_LISTED])}{more}; unpack it, then name the file of the log, or"
            " all files that are its parts"
        )


def _is_of_a_tool(path: str) -> bool:
    """True of files that tools leave, such as `__MACOSX/log.csv` and `.DS_Store`."""
    parts = PurePosixPath(path).parts
    return any(part.startswith((".", "_")) or part in OF_DESKTOPS for part in parts)
