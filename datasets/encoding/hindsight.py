"""Columns that are known only after the event of the label, by their names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_ACTIONS = (
    "like follow comment forward share hate favorite favourite fav collect cart buy bought"
    " purchase order pay paid conversion convert converted cvr trade install attributed click"
    " clicked clk noclk nonclk view exit bounce enter download"
)
_AFTER = re.compile(
    rf"(^|_)({'|'.join(sorted(_ACTIONS.split()))})(s|d|ed)?(_|$)"
    r"|(^|_)(play|watch|dwell|stay|view|viewing|read|reading|listen|listening|call|visit|session)"
    r"_(time|ms|sec|seconds|duration|length)(_|$)"
    r"|(^|_)time_(spent|on)(_|$)"
)
_ATTRIBUTES = (  # of a user, an item or a page, in whose names actions may stand
    "id ids type category cat level range hour weekday month price source channel page device code"
    " tag class group segment slot position pos date day list name title text"
)
_STATISTICS = (
    "rate rates ratio ctr cvr count counts cnt num number avg mean total sum history hist past last"
    " prev previous recent"
)
_EITHER: dict[tuple[str, ...], str] = {  # names that may be of the event or of the item
    (
        "duration",
    ): "a duration is known before only if it is that of the item, such as a video, not of a call",
    ("rating",): "a rating is known before only if it is that of the item by others",
    ("stars",): "stars are known before only if they are those of the item by others",
}


def words_of(name: str) -> list[str]:
    """The words of a name in small letters; `userId` and `user_id` are two words each."""
    return [word.lower() for word in _WORD.findall(name)]


def follows_click(name: str) -> bool:
    """True if a name suggests something that happens after, or with, the click."""
    return _AFTER.search("_".join(words_of(name))) is not None


def hindsight(name: str) -> str:
    """The reason to check by its name whether a column is known before the event, empty if none.

    Names of attributes, such as `follow_user_num_range`, give none; nor does the length of an item,
    such as `duration_ms`.
    """
    words = tuple(words_of(name))
    if words in _EITHER:
        return _EITHER[words]
    is_attribute = any(word in _ATTRIBUTES.split() for word in words)
    if is_attribute or not (follows_click(name) or "ctr" in words):
        return ""
    if any(word in _STATISTICS.split() for word in words):
        return "a statistic is known before only if it counts nothing from the event on"
    return "its name says that it is known only after the event of the label"


def hindsight_lines(names: Iterable[str]) -> list[str]:
    """One line for each of the features whose name asks for a check, and what to do."""
    reasons = {name: hindsight(name) for name in names}
    return [
        f"check {name}: {reason}; otherwise leave it out of the features"
        for name, reason in reasons.items()
        if reason
    ]
