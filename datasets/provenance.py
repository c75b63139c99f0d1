"""Where a log comes from: terms, citation, expected files, and what can be downloaded."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RawFile:
    """One file of the official release; size in bytes and digest where they are known."""

    name: str
    size: int | None = None
    sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A file or archive that may be fetched without an account.

    `urls` are mirrors in order of preference. `md5` is for publishers that state only that one;
    at least one of size and digests is known. Of an archive only `members` (paths within it) are
    unpacked, straight into the folder of raw files under their last names.
    """

    name: str
    urls: tuple[str, ...]
    size: int | None = None
    sha256: str = ""
    md5: str = ""
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a user must know before using a log.

    `description` says what the log is and what its label means. `instructions` say what to put
    where when there is nothing to download, or besides it.
    """

    description: str
    licence: str = ""
    citation: str = ""
    homepage: str = ""
    files: tuple[RawFile, ...] = ()
    downloads: tuple[Download, ...] = ()
    instructions: str = ""
