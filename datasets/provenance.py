"""The source of a log: terms, citation, expected files, and downloads."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A file or archive that may be fetched without an account.

    `digest` is the one that the publisher states, as in
    `md5:0f3e...` or `sha256:9a4c...`; `size` is in bytes, if known. Of an archive only `members`
    (paths within it) are unpacked, straight into the folder of raw files under their last names.
    """

    name: str
    url: str
    digest: str
    size: int | None = None
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The facts that a user must know before using a log.

    `description` says what the log is and what its label means. `files` are the names of those that
    are not downloaded; `instructions` say what to put where.
    """

    description: str
    licence: str = ""
    citation: str = ""
    homepage: str = ""
    files: tuple[str, ...] = ()
    downloads: tuple[Download, ...] = ()
    instructions: str = ""
