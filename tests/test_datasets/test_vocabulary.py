from __future__ import annotations

from functools import partial

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.encoding.splits import RowOrder
from datasets.encoding.tokens import tokenize
from datasets.encoding.vocabulary import (
    bucket_edges,
    encode_bag,
    encode_categorical,
    encode_numeric,
)
from datasets.spec import PAD, DataError, FeatureSpec


def rows_of(num_train, num_rows, order=None):
    order = np.arange(num_rows) if order is None else np.array(order)
    return RowOrder(order, (num_train, num_rows, num_rows), "time")


def column(*values):
    return pl.Series("x", values, dtype=pl.String)


def in_blocks(values, size=3):
    return [values[start : start + size] for start in range(0, len(values), size)]


def tokens_of(values):
    return tokenize(in_blocks(values), len(values))


def is_train(num_train, num_rows):
    return np.arange(num_rows) < num_train


def codes_of(encoded):
    """The codes of all blocks, which can be read once."""
    return np.concatenate(list(encoded.blocks), axis=-1)


def place(row):
    return f"line {row + 2}"


def test_categorical_codes_fall_with_train_count_then_token():
    values = column("c", "b", "b", "a", "new", "b")

    encoded = encode_categorical(tokens_of(values), rows_of(4, 6), min_count=1)

    codes = codes_of(encoded)
    assert codes.tolist() == [3, 1, 1, 2, 0, 1]
    assert codes.dtype == np.int32
    assert encoded.fitted.size == 4
    assert encoded.frequencies.tolist() == [0, 2, 1, 1]


def test_categorical_ignores_counts_outside_train():
    values = column("a", "a", "b", "b", "b", "b")

    encoded = encode_categorical(tokens_of(values), rows_of(3, 6), min_count=1)

    assert codes_of(encoded).tolist() == [1, 1, 2, 2, 2, 2]


def test_categorical_rare_tokens_get_code_zero():
    values = column("a", "a", "b", "c", "a", "b")

    encoded = encode_categorical(tokens_of(values), rows_of(4, 6), min_count=2)

    assert codes_of(encoded).tolist() == [1, 1, 0, 0, 1, 0]
    assert encoded.frequencies.tolist() == [2, 2]


def test_categorical_missing_value_is_a_token():
    values = column("a", None, None, "", "a", None)

    encoded = encode_categorical(tokens_of(values), rows_of(4, 6), min_count=1)

    assert codes_of(encoded).tolist() == [2, 1, 1, 1, 2, 1]


def test_categorical_follows_the_row_order():
    values = column("a", "b", "c")

    encoded = encode_categorical(tokens_of(values), rows_of(2, 3, order=[2, 0, 1]), min_count=1)

    assert codes_of(encoded).tolist() == [2, 1, 0]  # train holds c, a


def test_numeric_buckets_split_train_evenly():
    values = pl.Series("x", [str(number) for number in range(8)] + ["-5", "99", "3.5"])

    encoded = encode_numeric(in_blocks(values), rows_of(8, 11), 4, place)

    assert encoded.frequencies.tolist() == [0, 2, 2, 2, 2]
    assert codes_of(encoded)[8:10].tolist() == [1, 4]
    assert encoded.fitted.size == 5


def test_numeric_missing_value_has_a_bucket_of_its_own():
    values = column("1", "2", None, "NaN", "3", None)

    encoded = encode_numeric(in_blocks(values), rows_of(4, 6), 2, place)

    assert codes_of(encoded)[[2, 3, 5]].tolist() == [encoded.fitted.size - 1] * 3
    assert encoded.frequencies[encoded.fitted.size - 1] == 2


def test_numeric_missing_value_unseen_in_train_is_code_zero():
    encoded = encode_numeric(in_blocks(column("1", "2", "3", None)), rows_of(3, 4), 2, place)

    assert codes_of(encoded)[3] == 0


def test_numeric_train_without_any_number():
    encoded = encode_numeric(in_blocks(column(None, None, "3")), rows_of(2, 3), 4, place)

    assert codes_of(encoded).tolist() == [1, 1, 0]
    assert encoded.fitted.size == 2


@pytest.mark.parametrize("value", ["abc", "1,5", "inf", "0x1"])
def test_numeric_text_is_an_error(value):
    with pytest.raises(DataError, match=f"line 4: numeric column 'x' holds '{value}'"):
        encode_numeric(in_blocks(column("1", None, value, "2")), rows_of(2, 4), 2, place)


def rows_of_buckets(values, num_buckets):
    """The rows of each bucket."""
    edges = bucket_edges(values.copy(), num_buckets)
    return np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)


def quantiles_of(values, num_buckets):
    return np.sort(values)[np.arange(1, num_buckets) * len(values) // num_buckets]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.integers(-20, 20).map(lambda number: number // 7 if number < 9 else number),
        min_size=1,
        max_size=80,
    ),
    st.integers(2, 16),
)
def test_repeated_values_fill_as_many_buckets_as_there_can_be(numbers, num_buckets):
    values = np.array(numbers, dtype=float)

    counts = rows_of_buckets(values, num_buckets)

    assert len(counts) == min(num_buckets, len(set(numbers)))
    assert (counts > 0).all()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-9, 9), min_size=20, max_size=80, unique=True), st.integers(2, 16))
def test_buckets_of_different_values_are_cut_at_their_quantiles(numbers, num_buckets):
    values = np.array(numbers)

    edges = bucket_edges(values.copy(), num_buckets)

    assert edges.tolist() == quantiles_of(values, num_buckets).tolist()


@pytest.mark.parametrize(
    ("negatives", "counts"),
    [(0, [88, 3, 3, 3, 3]), (6, [6, 88, 4, 4, 4]), (12, [6, 6, 88, 6, 6])],
)
def test_commonest_value_has_a_bucket_of_its_own(negatives, counts):
    others = np.append(
        -np.arange(1.0, negatives + 1), np.arange(1, sum(counts) - 88 - negatives + 1)
    )
    values = np.append(np.zeros(88), others)

    assert rows_of_buckets(values, 5).tolist() == counts


def test_bucket_of_the_commonest_value_holds_no_other_value_of_test():
    edges = bucket_edges(np.array([0.0] * 20 + [1, 2, 3, 4, 5]), 3)

    assert np.searchsorted(edges, [-1, 0, 1e-9, 1], side="right").tolist() == [0, 0, 1, 1]


def test_bag_keeps_the_first_tokens_and_pads():
    values = column("a;b;c", "b", None, "new;a", "b;;a")
    feature = FeatureSpec(name="x", kind="bag", max_length=2)

    encoded = encode_bag(lambda: in_blocks(values), is_train(3, 5), feature)

    assert codes_of(encoded).T.tolist() == [[2, 1], [1, PAD], [PAD, PAD], [0, 2], [1, 2]]
    assert encoded.fitted.size == 3
    assert encoded.frequencies.tolist() == [0, 2, 1]


def test_bag_counts_every_row_of_a_repeated_bag():
    values = column("a;b", "a;b", "c", "c", "c", "d")
    feature = FeatureSpec(name="x", kind="bag", min_count=2)

    encoded = encode_bag(lambda: in_blocks(values), is_train(6, 6), feature)

    assert encoded.frequencies.tolist() == [1, 3, 2, 2]
    assert codes_of(encoded)[0].tolist() == [2, 2, 1, 1, 1, 0]


def test_bag_of_empty_train_knows_no_token():
    feature = FeatureSpec(name="x", kind="bag", max_length=2)

    encoded = encode_bag(lambda: in_blocks(column(None, "", "a")), is_train(2, 3), feature)

    assert codes_of(encoded).T.tolist() == [[PAD, PAD], [PAD, PAD], [0, PAD]]
    assert encoded.fitted.size == 1


@pytest.mark.parametrize("size", [1, 4, 50])
def test_blocks_of_any_size_are_encoded_alike(size):
    values = column(*(f"t{number % 7};t{number % 3}" for number in range(40)), None)
    feature = FeatureSpec(name="x", kind="bag")
    encoded = [
        encode_bag(partial(in_blocks, values, width), is_train(30, 41), feature)
        for width in (41, size)
    ]

    whole, blocks = map(codes_of, encoded)

    assert np.array_equal(whole, blocks)
    assert np.array_equal(encoded[0].frequencies, encoded[1].frequencies)


def test_positions_are_of_the_smallest_type():
    few, many = tokenize([column("a", "b", "a")], 3), tokenize([column(*map(str, range(300)))], 300)

    assert (few.positions.dtype, many.positions.dtype) == (np.uint8, np.uint16)
    assert few.tokens.gather(few.positions).to_list() == ["a", "b", "a"]
