"""Users, items, pairs and rows of test that train has too, against a count by hand."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from datasets.encoding import overlap
from datasets.encoding.overlap import known_entities, overlap_lines, rows_in_both
from datasets.encoding.splits import by_shuffle
from datasets.encoding.tokens import MISSING, tokenize

NAMED = {"cluster": "user", "item": "item", "timestamp": None}


@pytest.fixture
def rows():
    return by_shuffle(600, 3, "log")


@pytest.fixture
def log(rows):
    """Users and items as text, some missing, and labels in the order of the rows."""
    rng = np.random.default_rng(7)
    users = [MISSING if value > 40 else f"u{value}" for value in rng.integers(0, 44, 600)]
    items = [MISSING if value > 20 else f"i{value}" for value in rng.integers(0, 22, 600)]
    return {"users": users, "items": items}, rng.integers(0, 2, 600).astype(np.int8)


def parts(rows):
    train, _, test = rows.ranges().values()
    return rows.order[train.start : train.stop], rows.order[test.start : test.stop]


@pytest.mark.parametrize("part_rows", [1 << 20, 7])
def test_users_items_and_pairs_are_counted(rows, log, monkeypatch, part_rows):
    monkeypatch.setattr(overlap, "PART_ROWS", part_rows)
    texts, label = log
    columns = {entity: tokenize([pl.Series(own)], 600) for entity, own in texts.items()}

    found = known_entities(columns, rows, label)

    train, test = parts(rows)
    for entity, own in texts.items():
        known = {own[row] for row in train} - {MISSING}
        assert found[entity] == sum(own[row] in known for row in test)
    pairs = list(zip(texts["users"], texts["items"], strict=True))
    known = {pairs[row] for row in train if MISSING not in pairs[row]}
    assert 0 < found["pairs"] == sum(pairs[row] in known for row in test)
    assert found["pairs_known"] == len({pairs[row] for row in test} & known)
    assert found["pairs_in_test"] == len({pairs[row] for row in test})


def test_labels_of_a_pair_are_compared_row_by_row(rows, log):
    texts, label = log
    columns = {entity: tokenize([pl.Series(own)], 600) for entity, own in texts.items()}

    found = known_entities(columns, rows, label)

    pairs = list(zip(texts["users"], texts["items"], strict=True))
    of_row = dict(zip(rows.order.tolist(), label.tolist(), strict=True))
    train, test = parts(rows)
    same, by_chance = [], []
    for row in test:
        own = [of_row[other] == of_row[row] for other in train if pairs[other] == pairs[row]]
        if own and MISSING not in pairs[row]:
            same.append(np.mean(own))
            by_chance.append(np.mean([of_row[other] == of_row[row] for other in train]))
    assert found["same_label"] == pytest.approx(np.mean(same))
    assert found["same_label_by_chance"] == pytest.approx(np.mean(by_chance))


def test_rows_in_both_are_counted_row_by_row(rows):
    digest = np.random.default_rng(2).integers(0, 900, 600).astype(np.uint64)
    train, test = parts(rows)

    found = rows_in_both(digest, rows)

    assert 0 < found == sum(digest[row] in {*digest[train]} for row in test)


def test_without_users_there_are_no_pairs(rows, log):
    texts, label = log
    columns = {"items": tokenize([pl.Series(texts["items"])], 600)}

    assert {*known_entities(columns, rows, label)} == {"items"}


@pytest.fixture
def ratings():
    """One row for each pair of 12 users and 20 items."""
    place = np.arange(240)
    return pl.DataFrame(
        {
            "user": place // 20,
            "item": place % 20,
            "site": place % 2,
            "click": (place % 7 < 3).astype(int),
        }
    )


def test_one_row_per_pair_has_no_pair_in_both(prepare_log, ratings):
    card = prepare_log(ratings, **NAMED).card

    assert card["overlap"]["pairs"] == card["overlap"]["rows"] == 0
    assert card["overlap_lines"] == [
        "of the test rows train knows the user of 100.0%, the item of 100.0%, the pair of both of"
        " 0.0%"
    ]


def test_copies_of_rows_tell_the_label(prepare_log, ratings):
    card = prepare_log(pl.concat([ratings, ratings]), **NAMED).card

    assert card["overlap"]["same_label"] == 1.0
    assert card["overlap"]["pairs"] == card["overlap"]["rows"] > 0
    assert "has their label in 100.0% of the cases, any train row in 5" in card["overlap_lines"][1]
    assert card["overlap_lines"][2].endswith(f"the time: {card['overlap']['rows']}")


def test_time_is_no_part_of_equal_rows(prepare_log, tiny):
    card = prepare_log(tiny).card

    assert card["duplicate_rows"] == 0
    assert card["overlap"] == {"rows": 10}  # every combination occurs in train


def test_nothing_is_said_of_what_is_not_there():
    assert overlap_lines({"overlap": {"rows": 0}, "rows": {"test": 10}}) == []
