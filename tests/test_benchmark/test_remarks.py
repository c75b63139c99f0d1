"""Remarks on a log by its card."""

import pytest

from benchmark.command_line.listing import card_lines
from benchmark.store.remarks import MOST_UNSEEN, remarks_on

CARD = {
    "name": "shop",
    "split_kind": "time",
    "rows": {"train": 4000, "dev": 1000, "test": 1000},
    "base_rate": {"train": 0.25, "dev": 0.2, "test": 0.1},
    "train_rows_dropped_by_cap": 1500,
    "timestamp": "at",
    "times": {"train": ["a", "b"], "dev": ["c", "d"], "test": ["e", "f"]},
    "unseen": {"user": {"dev": 0.9, "test": 0.96}, "item": {"dev": 1.0, "test": 0.5}},
    "rows_in_log": 7500,
    "duplicate_rows": 75,
    "counts": [
        {"what": "rows", "column": "", "here": 7500, "published": 8000},
        {"what": "users", "column": "user", "here": 1234, "published": None},
        {"what": "items", "column": "item", "here": 56, "published": None},
    ],
    "overlap_lines": ["train knows all"],
    "published": {"release": "Shop-1", "citation": "", "remark": "this copy has fewer"},
}


def test_a_feature_that_train_hardly_knows_is_remarked():
    (line,) = remarks_on(CARD)

    assert line.startswith("user: 96.0% of its values in test do not occur in train")


def test_the_limit_itself_is_remarked():
    card = {"unseen": {name: {"test": share} for name, share in (("a", MOST_UNSEEN), ("b", 0.949))}}

    assert [line.partition(":")[0] for line in remarks_on(card)] == ["a"]


def test_a_name_of_hindsight_is_remarked():
    assert remarks_on({"unseen": {}, "hindsight": ["check dwell"]}) == ["check dwell"]
    assert remarks_on({"unseen": {}}) == []


def test_a_run_says_what_it_read():
    first, *others = card_lines(CARD)

    assert first == (
        "  shop: train 4,000 rows, 25.00% clicks; dev 1,000 rows, 20.00% clicks; test 1,000 rows,"
        " 10.00% clicks; split by time"
    )
    assert others == [
        "  the 1,500 earliest train rows are left out",
        "  times (at): train a to b; dev c to d; test e to f",
        "  1,234 users (user), 56 items (item)",
        "  this copy has fewer",
        "  train knows all",
        f"  {remarks_on(CARD)[0]}",
        "  75 rows (1.00%) repeat an earlier one in all columns that are read",
    ]


def test_a_run_says_nothing_of_what_a_log_has_not():
    plain = CARD | {"times": {}, "unseen": {}, "duplicate_rows": 0, "train_rows_dropped_by_cap": 0}
    plain |= {"counts": CARD["counts"][:1], "published": {}, "overlap_lines": []}

    assert len(card_lines(plain)) == 1


@pytest.mark.parametrize(
    ("split_kind", "kind"), [("time", "earliest"), ("cut 1", "earliest"), ("shuffle", "other")]
)
def test_only_a_split_by_time_leaves_the_earliest_rows_out(split_kind, kind):
    lines = card_lines(CARD | {"split_kind": split_kind})

    assert f"  the 1,500 {kind} train rows are left out" in lines
