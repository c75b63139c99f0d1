"""Users, items, their pairs and whole rows of test that train has too: counted, not judged.

A test row of a user or an item of train is no leak by itself, since models are meant to know them.
A pair that train has is one where a log has a row per pair, and a row that train has as it is
always. Counts are of train rows that take part, none of those that a cap left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from datasets.encoding.tokens import MISSING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from datasets.encoding.splits import RowOrder
    from datasets.encoding.tokens import Tokens
    from datasets.spec import Entity

PART_ROWS = 1 << 20  # train rows that are looked at at a time


def known_entities(
    columns: Mapping[Entity, Tokens], rows: RowOrder, label: np.ndarray
) -> dict[str, float]:
    """The numbers of test rows whose user, item and pair of both train has, as far as named.

    Where both are named, `pairs_in_test` and `pairs_known` count different pairs. Of the rows whose
    pair is known `same_label` is the mean share of the pair's train rows that have the row's label,
    and `same_label_by_chance` that of all train rows. A missing user or item is not known.

    Args:
        columns: users and items of the raw rows.
        rows: the order of the rows.
        label: (N,) labels in prepared row order.
    """
    test = rows.ranges()["test"]
    known = {
        entity: _is_known(column, rows)[column.positions[rows.order[test.start : test.stop]]]
        for entity, column in columns.items()
    }
    counts: dict[str, float] = {
        entity: int(np.count_nonzero(of_row)) for entity, of_row in known.items()
    }
    if len(columns) < 2:
        return counts
    return counts | _known_pairs(columns, rows, label, known["users"] & known["items"])


def _is_known(column: Tokens, rows: RowOrder) -> np.ndarray:
    """True for the tokens, a missing value aside, that train has."""
    is_known = np.zeros(len(column.tokens), dtype=bool)
    is_known[column.positions[rows.order[: rows.num_train]]] = True
    is_known &= (column.tokens != MISSING).to_numpy()
    return is_known


def _known_pairs(
    columns: Mapping[Entity, Tokens], rows: RowOrder, label: np.ndarray, is_candidate: np.ndarray
) -> dict[str, float]:
    """The counts of pairs; a test row that is no candidate has a user or an item of its own."""
    users, items = columns["users"], columns["items"]
    test = rows.ranges()["test"]

    def keys_of(order: np.ndarray) -> np.ndarray:
        own = users.positions[order].astype(np.int64)
        own *= len(items.tokens)
        own += items.positions[order]
        return own

    keys_of_test = keys_of(rows.order[test.start : test.stop])
    keys, place = np.unique(keys_of_test[is_candidate], return_inverse=True)
    num_pairs = len(keys) + len(np.unique(keys_of_test[~is_candidate]))
    train = rows.order[: rows.num_train]
    of_train = label[: rows.num_train]
    shown = _counted(keys, map(keys_of, _parts(train)))
    clicked = _counted(keys, map(keys_of, _parts(train[of_train == 1])))
    is_known = shown[place] > 0
    own = label[test.start : test.stop][is_candidate][is_known]
    rate = clicked[place][is_known] / shown[place][is_known]
    base = float(of_train.mean())
    return {
        "pairs": int(np.count_nonzero(is_known)),
        "pairs_in_test": num_pairs,
        "pairs_known": int(np.count_nonzero(shown)),
        "same_label": _mean(np.where(own == 1, rate, 1 - rate)),
        "same_label_by_chance": _mean(np.where(own == 1, base, 1 - base)),
    }


def _mean(shares: np.ndarray) -> float:
    return float(shares.mean()) if len(shares) else 0.0


def rows_in_both(digest: np.ndarray, rows: RowOrder) -> int:
    """The number of test rows whose digest a train row has too; `digest` is in raw order."""
    test = rows.ranges()["test"]
    keys, counts = np.unique(digest[rows.order[test.start : test.stop]], return_counts=True)
    train = (digest[part] for part in _parts(rows.order[: rows.num_train]))
    return int(counts[_counted(keys, train) > 0].sum())


def _counted(keys: np.ndarray, blocks: Iterable[np.ndarray]) -> np.ndarray:
    """How often each of the sorted keys occurs in the blocks, (K,) int64."""
    counts = np.zeros(len(keys), dtype=np.int64)
    for block in blocks:
        found, times = np.unique(block, return_counts=True)  # sorted, so that the search is local
        place = np.searchsorted(keys, found)
        place[place == len(keys)] = 0
        is_hit = keys[place] == found if len(keys) else np.zeros(len(found), dtype=bool)
        counts[place[is_hit]] += times[is_hit]
    return counts


def _parts(order: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(order), PART_ROWS):
        yield order[start : start + PART_ROWS]


def overlap_lines(card: Mapping[str, Any]) -> list[str]:
    """The counts of a card in words."""
    lines, overlap, num_rows = [], card["overlap"], card["rows"]["test"]
    known = {"users": "the user", "items": "the item", "pairs": "the pair of both"}
    shares = [
        f"{words} of {overlap[what] / num_rows:.1%}"
        for what, words in known.items()
        if what in overlap
    ]
    if shares:
        lines.append(f"of the test rows train knows {', '.join(shares)}")
    if overlap.get("pairs"):
        lines.append(
            f"{overlap['pairs_known']:,} of the {overlap['pairs_in_test']:,} pairs of user and item"
            f" in test are in train too, {overlap['pairs']:,} rows; a train row of the pair has"
            f" their label in {overlap['same_label']:.1%} of the cases, any train row in"
            f" {overlap['same_label_by_chance']:.1%}"
        )
    if overlap["rows"]:
        lines.append(
            "test rows that equal a train row in all columns that are read, the label too but not"
            f" the time: {overlap['rows']:,}"
        )
    return lines
