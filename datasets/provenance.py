"""The source of a log: terms, citation, expected files, and downloads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Counted = Literal["rows", "users", "items"]
Way = Literal["download", "by hand", "nothing to fetch"]


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


@dataclass(frozen=True, slots=True)
class PublishedCounts:
    """The rows, users and items that a release is published with, and where that stands.

    A count that nobody states is none. Users and items are those that occur in the rows.
    """

    release: str
    citation: str
    rows: int | None = None
    users: int | None = None
    items: int | None = None

    @property
    def counts(self) -> dict[Counted, int]:
        """The counts that are stated."""
        counts: dict[Counted, int | None] = {
            "rows": self.rows,
            "users": self.users,
            "items": self.items,
        }
        return {what: count for what, count in counts.items() if count is not None}

    def remark_on(self, found: Mapping[Counted, int]) -> str:
        """One line on the counts of a copy beside these; `found` may lack some of them."""
        both = {what: (found[what], count) for what, count in self.counts.items() if what in found}
        odd = {what: pair for what, pair in both.items() if len({*pair}) > 1}
        if not odd:
            return f"{_listed(both)} are as many as are published for {self.release}"
        here = _listed(f"{own:,} {what}" for what, (own, _) in odd.items())
        there = _listed(f"{count:,}" for _, count in odd.values())
        is_less = all(own < count for own, count in odd.values())
        return (
            f"this copy has {here}; the published log {self.release} has {there}:"
            f" it is {'a part of it or ' if is_less else ''}another release"
        )


def _listed(texts: Iterable[str]) -> str:
    *first, last = texts
    return f"{', '.join(first)} and {last}" if first else last


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The facts that a user must know before using a log.

    `description` says what the log is and what its label means. `files` are the names of those that
    are not downloaded; `instructions` say what to put where. `published` are the sizes of the
    releases, by which a user sees that a download is the right one.
    """

    description: str
    licence: str = ""
    citation: str = ""
    homepage: str = ""
    files: tuple[str, ...] = ()
    downloads: tuple[Download, ...] = ()
    instructions: str = ""
    published: tuple[PublishedCounts, ...] = ()

    @property
    def way(self) -> Way:
        """The way in which the files of the log are had."""
        if self.downloads:
            return "download"
        return "by hand" if self.files or self.instructions else "nothing to fetch"
