"""Which raw files a log needs, what is known of each, and how they stand in a folder."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

from datasets.fetch.digests import difference, digest
from datasets.raw.releases import present_file

if TYPE_CHECKING:
    from collections.abc import Iterable

    from datasets.provenance import Download, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of a file."""

    size: int | None = None
    sha256: str = ""
    md5: str = ""

    @classmethod
    def of(cls, download: Download) -> Known:
        """What the publisher states of a download."""
        return cls(size=download.size, sha256=download.sha256, md5=download.md5)

    @property
    def has_digest(self) -> bool:
        """Whether more than a size is known."""
        return bool(self.sha256 or self.md5)

    def difference(self, path: Path) -> str:
        """In what a file differs from it; empty if in nothing."""
        if not path.is_file():
            return "is no file"
        return difference(path, **asdict(self))


@dataclass(frozen=True, slots=True)
class FileState:
    """How one expected file stands in its folder."""

    name: str
    size: int | None
    state: Literal["verified", "there", "differs", "missing"]
    remark: str


@dataclass(frozen=True, slots=True)
class Receipts:
    """Digests of what verified archives held, for files whose publisher states none.

    A receipt counts only as long as the download is still the one that it was made for.
    """

    path: Path

    def of(self, name: str, download: Download) -> str:
        """SHA-256 of an unpacked file, or nothing."""
        receipt = self._read().get(name, {})
        return receipt["sha256"] if receipt.get("from") == _identity(download) else ""

    def add(self, files: Iterable[Path], download: Download) -> None:
        """Write down files that have just been unpacked."""
        receipts = self._read()
        for file in files:
            receipts[file.name] = {"from": _identity(download), "sha256": digest(file)}
        partial = self.path.with_suffix(".partial")
        partial.write_text(json.dumps(receipts, indent=1), encoding="utf-8")
        partial.replace(self.path)

    def _read(self) -> dict[str, dict[str, str]]:
        if not self.path.exists():
            return {}
        try:
            receipts = json.loads(self.path.read_text(encoding="utf-8"))
        except ValueError:  # damaged: then nothing is known
            return {}
        return receipts if isinstance(receipts, dict) else {}


def expected_files(source: Source, receipts: Receipts) -> dict[str, Known]:
    """All files of a log by name, with the best that is known of them."""
    expected = {file.name: Known(size=file.size, sha256=file.sha256) for file in source.files}
    for download in source.downloads:
        if not download.members:
            expected[download.name] = Known.of(download)
        for name in names_of(download):
            known = expected.setdefault(name, Known())
            if not known.has_digest:
                expected[name] = Known(size=known.size, sha256=receipts.of(name, download))
    return expected


def names_of(download: Download) -> list[str]:
    """Names in the folder of raw files of what a download brings."""
    return [PurePosixPath(member).name for member in download.members] or [download.name]


def state_of(path: Path, known: Known) -> FileState:
    """How a file stands against what is known of it."""
    if not path.exists():
        packed = present_file(path.parent, path.name)
        if packed is None:
            return FileState(path.name, known.size, "missing", "")
        return FileState(path.name, None, "there", f"as {packed.name}, which is not compared")
    if problem := known.difference(path):
        return FileState(path.name, known.size, "differs", problem)
    if known.has_digest:
        return FileState(path.name, known.size, "verified", "its digest fits")
    remark = "its size fits" if known.size is not None else "no size or digest is known"
    return FileState(path.name, known.size, "there", remark)


def _identity(download: Download) -> str:
    """What tells one release of a download from the next."""
    return download.sha256 or download.md5 or f"{download.size} bytes"
