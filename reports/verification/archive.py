"""A store to be checked: an output folder, or a bundle of one, unpacked for as long as it takes."""

from __future__ import annotations

import stat
import tempfile
import zipfile
import zlib
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from benchmark.store.files import RecordError

if TYPE_CHECKING:
    from collections.abc import Iterator

DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


@contextmanager
def opened(path: Path) -> Iterator[Path]:
    """The folder of a store; that of a bundle is removed at the end.

    Raises:
        RecordError: there is no such path, or it is no undamaged bundle.
        OSError: it cannot be read, or the temporary folder cannot be written.
    """
    if path.is_dir():
        yield path.resolve()
        return
    if not path.exists():
        raise RecordError(f"{path}: no such folder or bundle; name an output folder of run_all.py")
    with tempfile.TemporaryDirectory(prefix="bundle-") as folder:
        try:
            with zipfile.ZipFile(path) as bundle:
                _check_members(path, bundle)
                bundle.extractall(folder)
        except DAMAGE as error:
            raise RecordError(f"{path}: no undamaged bundle ({error}); make it again") from error
        yield Path(folder).resolve()


def _check_members(path: Path, bundle: zipfile.ZipFile) -> None:
    """Refuse members that would not lie in the folder under names of their own.

    Raises:
        RecordError: there is one.
    """
    seen: set[str] = set()
    for member in bundle.infolist():
        name = PurePosixPath(member.filename)
        is_inside = not name.is_absolute() and ".." not in name.parts and "\\" not in str(name)
        is_link = stat.S_ISLNK(member.external_attr >> 16)
        if not is_inside or is_link or str(name) in seen:
            raise RecordError(
                f"{path}: the member {member.filename!r} is a link, lies outside, or is there"
                " twice; this is no bundle of reports.bundle"
            )
        seen.add(str(name))
