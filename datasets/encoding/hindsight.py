"""Columns that are known only after the event of the label, by their names."""

from __future__ import annotations

import re

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_ACTIONS = (
    "like follow comment forward share hate favorite favourite fav collect cart buy bought"
    " purchase order pay paid conversion convert converted cvr trade install attributed click"
    " clicked clk noclk nonclk view exit bounce enter download"
)
_AFTER = re.compile(
    rf"(^|_)({'|'.join(sorted(_ACTIONS.split()))})(s|d|ed)?(_|$)"
    r"|(^|_)(play|watch|dwell|stay|view|viewing|read|reading|session)_(time|ms|sec|seconds|duration)"
)


def words_of(name: str) -> list[str]:
    """The words of a name in small letters; `userId` and `user_id` are two words each."""
    return [word.lower() for word in _WORD.findall(name)]


def follows_click(name: str) -> bool:
    """True if a name suggests something that happens after, or with, the click."""
    return _AFTER.search("_".join(words_of(name))) is not None
