"""Verdicts as tags: which tone each has, and how often it was given."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Literal

from reports.claims.verdicts import NO_VERDICT, NOT_TESTABLE, SMALL_TAGS, TAGS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reports.claims.verdicts import Outcome
    from reports.look.table import TableBlock, TableLayout

Tone = Literal["good", "bad", "open", "neutral"]
OUTCOMES: dict[Outcome, Tone] = {"yes": "good", "no": "bad", "open": "open"}
TONES: dict[str, Tone] = {  # in the order of the summary; other tags are neutral
    **{
        tag: tone
        for outcome, tone in OUTCOMES.items()
        for tag in dict.fromkeys((*TAGS[outcome], SMALL_TAGS[outcome]))
    },
    NO_VERDICT: "neutral",
    NOT_TESTABLE: "neutral",
}


def tone_of(tag: str) -> Tone:
    """The tone in which a tag is coloured; its words say the same."""
    return TONES.get(tag, "neutral")


def verdict_counts(layouts: Iterable[TableLayout | None]) -> dict[str, dict[str, int]]:
    """The number of claims with each verdict on each log, in the order of `TONES`."""
    return {
        block.heading: _counts(block)
        for layout in layouts
        if layout is not None
        for block in layout.blocks
    }


def _counts(block: TableBlock) -> dict[str, int]:
    counts = Counter(entry.tag for row in block.rows for entry in row if entry.tag)
    known = [tag for tag in TONES if tag in counts]
    return {tag: counts[tag] for tag in [*known, *(tag for tag in counts if tag not in TONES)]}
