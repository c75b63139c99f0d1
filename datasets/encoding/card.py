"""The part of a card that is found in the rows: sizes, times, unseen values, equal rows."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from datasets.encoding.overlap import rows_in_both
from datasets.encoding.times import readable_time
from datasets.encoding.tokens import MISSING
from datasets.spec import PAD, UNSEEN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from datasets.encoding.domains import Domains
    from datasets.encoding.splits import RowOrder
    from datasets.encoding.staging import CodeFile, Staged
    from datasets.encoding.tokens import Tokens
    from datasets.spec import DatasetSpec, EncodedSchema, Entity, SplitName

FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd, and without a pattern in its bits


def card_of_rows(
    staged: Staged, spec: DatasetSpec, rows: RowOrder, times: np.ndarray | None
) -> dict[str, Any]:
    """The facts of the raw rows: their split, its first and last times, equal rows.

    `times` are the time keys (N,) of the rows, in raw order.
    """
    repeated, known = _equal_rows(staged, spec, rows)
    return {
        "split_kind": rows.kind,
        "rows_in_log": staged.num_rows,
        "duplicate_rows": repeated,
        "overlap": {"rows": known},
        "train_rows_dropped_by_cap": rows.train_rows_dropped,
        "rows": {name: len(part) for name, part in rows.ranges().items()},
        "times": {} if times is None else _ends(staged, spec, rows, times),
    }


def entities_of_rows(columns: Mapping[Entity, Tokens], num_rows: int) -> dict[Entity, int]:
    """The numbers of different users and items that the first rows name, those of the log."""
    return {entity: int(_occurring(column, num_rows).sum()) for entity, column in columns.items()}


def card_of_codes(
    schema: EncodedSchema, rows: RowOrder, codes: CodeFile, label: np.ndarray, domains: Domains
) -> dict[str, Any]:
    """The facts of the encoded rows: click rates, vocabularies, values unseen in train, domains."""
    impressions, clicks = domains.table["test_impressions"], domains.table["test_clicks"]
    one_class = (impressions > 0) & ((clicks == 0) | (clicks == impressions))
    names, sizes = (*schema.fields, *schema.bags), (*schema.field_sizes, *schema.bag_sizes)
    return {
        "base_rate": {
            name: float(label[part.start : part.stop].mean())
            for name, part in rows.ranges().items()
        },
        "vocabulary_sizes": dict(zip(names, sizes, strict=True)),
        "unseen": _unseen(schema, rows, codes),
        "bag_lengths": dict(zip(schema.bags, schema.bag_lengths, strict=True)),
        "num_domains_in_train": domains.num_seen,
        "num_domains": len(domains.table),
        "num_tasks": schema.num_tasks,
        "one_class_domains_in_test": int(one_class.sum()),
    }


def _equal_rows(staged: Staged, spec: DatasetSpec, rows: RowOrder) -> tuple[int, int]:
    """Rows of the log that repeat an earlier one, and of test that equal one of train but in time.

    They are equal in all columns that are read.
    """
    digest = np.zeros(staged.size, dtype=np.uint64)
    for name in (spec.label, *spec.inputs):
        _digest(staged, name, digest)
    known = rows_in_both(digest, rows)
    if spec.timestamp is not None:
        _digest(staged, spec.timestamp, digest)
    own = digest[: staged.num_rows]
    own.sort()
    return int(np.count_nonzero(own[1:] == own[:-1])), known


def _digest(staged: Staged, name: str, digest: np.ndarray) -> None:
    """Mix a column into the digests of the raw rows, in place."""
    start = 0
    for block in staged.blocks(name):
        own = digest[start : start + len(block)]
        own *= FACTOR  # wraps around
        own += block.hash().to_numpy()
        start += len(block)


def _ends(
    staged: Staged, spec: DatasetSpec, rows: RowOrder, times: np.ndarray
) -> dict[SplitName, list[str]]:
    """The first and the last time of each split, as people read them."""
    ends = {}
    for name, part in rows.ranges().items():
        own = rows.order[part.start : part.stop]
        keys = times[own]
        ends[name] = [int(own[keys.argmin()]), int(own[keys.argmax()])]
    texts: dict[int, str] = {}
    wanted, start = sorted({row for pair in ends.values() for row in pair}), 0
    assert spec.timestamp is not None  # for there are times
    for block in staged.blocks(spec.timestamp):
        here = [row for row in wanted if start <= row < start + len(block)]
        texts |= {row: block[row - start] for row in here}
        start += len(block)
    return {name: [readable_time(texts[row]) for row in pair] for name, pair in ends.items()}


def _unseen(
    schema: EncodedSchema, rows: RowOrder, codes: CodeFile
) -> dict[str, dict[SplitName, float]]:
    """By feature the share of its values (of a bag, of its tokens) that train does not know."""
    names = (*schema.fields, *schema.bags)
    places = np.cumsum((0, *(1 for _ in schema.fields), *schema.bag_lengths)).tolist()
    parts = {name: part for name, part in rows.ranges().items() if name != "train"}
    return {
        name: {split: _share(codes, range(*slots), part) for split, part in parts.items()}
        for name, slots in zip(names, pairwise(places), strict=True)
    }


def _occurring(column: Tokens, num_rows: int) -> np.ndarray:
    """True for the tokens, a missing value aside, that occur in the first rows."""
    occurs = np.bincount(column.positions[:num_rows], minlength=len(column.tokens)) > 0
    occurs &= (column.tokens != MISSING).to_numpy()
    return occurs


def _share(codes: CodeFile, slots: range, part: range) -> float:
    unseen = filled = 0
    for slot in slots:
        own = codes.read(slot, part.start, len(part))
        unseen += int(np.count_nonzero(own == UNSEEN))
        filled += int(np.count_nonzero(own != PAD))
    return unseen / max(filled, 1)
