"""The facts that reports read of the data card of a prepared log."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from datasets.spec import SplitKind


class _Facts(TypedDict):
    label: str
    source: str
    split_kind: SplitKind
    files: list[dict[str, str]]
    absent_columns: list[str]
    fields_dropped_by_max_fields: list[str]
    bag_lengths: dict[str, int]
    train_rows_dropped_by_cap: int


class Card(_Facts, total=False):
    """The data card of a prepared log, as far as reports read it."""

    ceiling: dict[str, dict[str, float | None]]  # of the true click probability; on worlds only
