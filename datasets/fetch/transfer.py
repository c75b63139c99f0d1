"""Fetches one file over HTTP: mirrors in order, broken transfers resumed, the result checked.

A file appears under its name only when it is whole and fits its size and digest. Until then it is a
part, with a note beside it that says of which URL and of which version (ETag or date) it is: the
rest is asked for under the condition that this version still stands, otherwise all of it. From a
server that names no version the rest is taken only if a digest can prove it right.
"""

from __future__ import annotations

import logging
import re
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

from datasets.fetch.connection import BrokenTransferError, MirrorError, RangeError, blocks, connect
from datasets.fetch.digests import difference
from datasets.fetch.partfile import PartFile
from datasets.fetch.progress import ByteProgress, readable
from datasets.spec import DataError

if TYPE_CHECKING:
    from http.client import HTTPResponse
    from pathlib import Path

    from datasets.provenance import Download

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """When a mirror is given up.

    A connection counts as broken when nothing comes for `timeout_seconds`. After a broken one
    there is a pause, `pause_seconds` long and twice as long each time; after `attempts` broken ones
    in a row, of which at most the first brought anything new, the mirror is given up.
    """

    timeout_seconds: float = 30.0
    attempts: int = 5
    pause_seconds: float = 1.0


def fetch(download: Download, path: Path, patience: Patience) -> None:
    """Bring a verified file to `path`.

    Raises:
        DataError: no mirror delivers the file that is expected, or there is no room for it.
    """
    reasons = []
    for url in download.urls:
        logger.info("fetching %s %s from %s", download.name, readable(download.size), url)
        try:
            _Transfer(download, url, PartFile(path), patience).run()
        except MirrorError as error:
            logger.warning("%s: %s", url, error)
            reasons.append(f"{url}: {error}")
        else:
            return
    raise DataError(
        f"{download.name} cannot be fetched ({'; '.join(reasons)}); run the command again later to"
        " go on, or get the file by other means and pass it with --from-file FILE"
    )


@dataclass(slots=True)
class _Transfer:
    """One file from one mirror."""

    download: Download
    url: str
    part: PartFile
    patience: Patience
    was_resumed: bool = field(default=False, init=False)

    def run(self) -> None:
        """Fetch, check and name the file."""
        self._receive_all()
        problem = self._problem()
        if problem and self.was_resumed:
            logger.warning("%s: resumed, the file %s; fetching all of it", self.url, problem)
            self.part.drop()
            self._receive_all()
            problem = self._problem()
        if problem:
            self.part.drop()
            raise MirrorError(f"the file {problem}")
        self.part.finish()

    def _problem(self) -> str:
        known = self.download
        return difference(self.part.path, size=known.size, sha256=known.sha256, md5=known.md5)

    def _receive_all(self) -> None:
        """Connect as often as it takes, within the bounds of patience."""
        failures, furthest = 0, self.part.size
        while True:
            try:
                return self._receive()
            except BrokenTransferError as error:
                failures = 1 if self.part.size > furthest else failures + 1
                furthest = max(furthest, self.part.size)
                if failures >= self.patience.attempts:
                    raise MirrorError(f"{error}, {failures} times in a row") from None
                pause = self.patience.pause_seconds * 2 ** (failures - 1)
                logger.warning("%s: %s; trying again in %g s", self.url, error, pause)
                time.sleep(pause)

    def _receive(self) -> None:
        """One connection: the rest of the part if that can be had, else the whole file."""
        version = self.part.version_at(self.url)
        has_digest = bool(self.download.sha256 or self.download.md5)
        is_resumable = version is not None and (has_digest or version != "")
        offset = self.part.size if is_resumable else 0
        if offset and offset == self.download.size:
            self.was_resumed = True
            return
        with self._connect(offset, version) as response:
            if response.status == HTTPStatus.PARTIAL_CONTENT:
                total: int | None = self._total_of_rest(response, offset, version)
                self.was_resumed = True
            else:
                total, offset = _number(response.headers["Content-Length"]), 0
            self._check_total(total, offset)
            if not offset:
                self.part.begin(self.url, _version_of(response))
            self._append(response, offset, total)

    def _connect(self, offset: int, version: str | None) -> HTTPResponse:
        """Ask for all, or for the rest of the version that the part is of."""
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        if offset and version:
            headers["If-Range"] = version
        try:
            return connect(self.url, headers, self.patience.timeout_seconds)
        except RangeError:
            self.part.drop()
            raise

    def _total_of_rest(self, response: HTTPResponse, offset: int, version: str | None) -> int:
        """Size of the whole file, if the answer is its rest; otherwise the part is dropped."""
        found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", response.headers["Content-Range"] or "")
        is_same = not version or _version_of(response) in ("", version)
        if found and is_same and int(found[1]) == offset and int(found[2]) + 1 == int(found[3]):
            return int(found[3])
        self.part.drop()
        raise BrokenTransferError(
            f"the rest from byte {offset:,} was asked for, but not delivered"
            f" (Content-Range {response.headers['Content-Range']!r})"
        )

    def _check_total(self, total: int | None, offset: int) -> None:
        """Compare the announced size with the expected one and with the room on the disk."""
        expected = self.download.size
        if expected is not None and total is not None and total != expected:
            raise MirrorError(f"the file has {total:,} bytes, expected {expected:,}")
        folder = self.part.path.parent
        free = shutil.disk_usage(folder).free
        if total is not None and total - offset > free:
            raise DataError(
                f"{self.download.name} needs {readable(total - offset)}, but {folder} has room for"
                f" {readable(free)}; make room or choose another folder with --to DIR"
            )

    def _append(self, response: HTTPResponse, offset: int, total: int | None) -> None:
        """Write what comes, as it comes."""
        limit = self.download.size if total is None else total
        received = offset
        with (
            self.part.path.open("ab") as target,
            ByteProgress(self.download.name, limit, offset) as progress,
        ):
            for block in blocks(response):
                target.write(block)
                progress.add(len(block))
                received += len(block)
                if limit is not None and received > limit:
                    self.part.drop()
                    raise MirrorError(f"more than the {limit:,} bytes that are expected came")
                if received == total:
                    break  # some servers keep the connection open
        if limit is not None and received < limit:
            raise BrokenTransferError(f"the connection ended at byte {received:,} of {limit:,}")


def _version_of(response: HTTPResponse) -> str:
    """What tells versions of a file apart byte for byte: a strong ETag, else the date."""
    etag = response.headers["ETag"] or ""
    return etag if etag.startswith('"') else response.headers["Last-Modified"] or ""


def _number(text: str | None) -> int | None:
    with suppress(ValueError):
        return int(text or "")
    return None
