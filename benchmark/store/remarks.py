"""Remarks on a log that its readers should know, by its data card."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_UNSEEN = 0.95  # of the values of a feature in test


def remarks_on(card: Mapping[str, Any]) -> list[str]:
    """A line per feature of which train knows hardly a value of test, or whose name asks a check.

    Cards of older stores say nothing of names.
    """
    unseen = [
        f"{name}: {shares['test']:.1%} of its values in test do not occur in train, so that no"
        " model can know them"
        for name, shares in card["unseen"].items()
        if shares["test"] >= MOST_UNSEEN
    ]
    return [*unseen, *card.get("hindsight", [])]
