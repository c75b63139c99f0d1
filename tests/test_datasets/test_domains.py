from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from datasets.encoding.domains import number_domains, values_of_domains
from datasets.encoding.splits import RowOrder
from datasets.encoding.tokens import tokenize


def tokens_of(values):
    return tokenize([pl.Series(values)], len(values))


def domains_of(label=None, num_train=5, bounds=(7, 9), **columns):
    num_rows = bounds[1]
    rows = RowOrder(np.arange(num_rows), (num_train, *bounds), "time")
    tokens = {name: tokens_of(values) for name, values in columns.items()}
    return number_domains(tokens, rows, np.array(label or [0] * num_rows, dtype=np.int32))


def test_domains_of_train_come_first_by_impressions_then_values():
    found = domains_of(site=["b", "c", "c", "a", "c", "z", "y", "b", "z"])

    assert found.table["site"].to_list() == ["c", "a", "b", "y", "z"]
    assert found.table["domain_id"].to_list() == [1, 2, 3, 0, 0]
    assert found.eval_domain_id.tolist() == [2, 0, 0, 1, 0, 4, 3, 2, 4]
    assert found.domain_id.tolist() == [3, 1, 1, 2, 1, 0, 0, 3, 0]
    assert found.num_seen == 3


def test_domains_are_tuples_of_all_columns():
    found = domains_of(
        site=["a", "a", "b", "b", "a", "b", "a", "a", "b"],
        place=["1", "2", "1", "1", "1", "2", "1", "2", "1"],
    )

    pairs = list(zip(found.table["site"], found.table["place"], strict=True))
    assert pairs == [("a", "1"), ("b", "1"), ("a", "2"), ("b", "2")]
    assert found.table["domain_id"].to_list() == [1, 2, 3, 0]
    assert found.eval_domain_id.tolist() == [0, 2, 1, 1, 0, 3, 0, 2, 1]


def test_domain_table_counts_impressions_and_clicks_per_split():
    found = domains_of(
        label=[1, 1, 0, 0, 0, 1, 0, 1, 1], site=["a", "a", "a", "b", "b", "a", "b", "b", "b"]
    )

    assert found.table.drop("eval_domain_id", "domain_id", "site").rows() == [
        (3, 2, 1, 1, 0, 0),
        (2, 0, 1, 0, 2, 2),
    ]


def test_many_valued_columns_are_numbered_without_a_table_of_all_products():
    values = [f"v{number}" for number in range(3000)]
    rows = RowOrder(np.arange(3000), (2000, 2500, 3000), "time")
    tokens = {name: tokens_of(values) for name in "abcd"}

    found = number_domains(tokens, rows, np.zeros(3000, dtype=np.int32))

    assert len(found.table) == 3000
    assert found.num_seen == 2000
    assert sorted(found.eval_domain_id.tolist()) == list(range(3000))


@pytest.mark.parametrize("dense", [0, 4])
def test_domains_in_parts_are_the_same(monkeypatch, dense):
    random = np.random.default_rng(3)
    values = {name: random.integers(0, 9, 400).astype(str) for name in "ab"}
    rows = RowOrder(random.permutation(400), (200, 300, 400), "time")
    tokens = {
        name: tokenize([pl.Series(name, column)], len(column)) for name, column in values.items()
    }
    label = random.integers(0, 2, 400).astype(np.int8)
    whole = number_domains(tokens, rows, label)

    monkeypatch.setattr("datasets.encoding.domains.PART_ROWS", 7)
    monkeypatch.setattr("datasets.encoding.domains.DENSE", dense)
    parts = number_domains(tokens, rows, label)

    assert np.array_equal(parts.eval_domain_id, whole.eval_domain_id)
    assert parts.table.equals(whole.table)


OURS = [
    "group",
    "0",
    "eval_domain_id",
    "domain_id",
    "train_impressions",
    "test_clicks",
    "*",
]


def test_columns_of_any_name_keep_their_values():
    values = [[f"{number}{place}" for place in "aaaabbbbb"] for number in range(len(OURS))]
    log = dict(zip(OURS, values, strict=True))

    found = domains_of(**log)

    plain = domains_of(**{f"c{number}": own for number, own in enumerate(values)})
    assert values_of_domains(found.table, OURS).columns == OURS
    assert found.table.rows() == plain.table.rows()
    assert found.eval_domain_id.tolist() == plain.eval_domain_id.tolist()
