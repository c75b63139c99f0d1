"""One token for every way to write a value, in text and in Parquet files alike."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from datasets.raw.values import as_text, split_bags, tokens_of


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (" a ", ["a"]),
        ("\u00a0a\t", ["a"]),
        ("two words", ["two words"]),
        ("1.0", ["1"]),
        ("-3.00", ["-3"]),
        (" 7.0 ", ["7"]),
        ("1.50", ["1.50"]),
        ("10", ["10"]),
        ("v1.0", ["v1.0"]),
        ("1.0.0", ["1.0.0"]),
        ("   ", []),
        ("", []),
    ],
)
def test_token_of_a_value(value, expected):
    assert tokens_of([value]) == expected


def test_parquet_values_become_the_tokens_of_text():
    floats = [1.0, -0.0, 2.5, float("nan"), None, 1e15, 1e16, float("inf")]
    frame = pl.LazyFrame(
        {
            "number": floats,
            "decimal": pl.Series(["4.00"] * 8).cast(pl.Decimal(10, 2)),
            "word": pl.Series([" a"] * 8, dtype=pl.Categorical),
            "flag": [True] * 8,
        }
    )

    found = as_text(frame, ("number", "decimal", "word", "flag")).collect()

    whole = ["1000000000000000", "10000000000000000"]
    assert found["number"].to_list() == ["1", "0", "2.5", None, None, *whole, "inf"]
    assert found.row(0)[1:] == ("4", "a", "true")


@pytest.fixture
def with_gap(tiny):
    """Two halves of a log with integers, of which the second has a gap."""
    numbered = tiny.with_columns(site=pl.col("time") % 2, item=pl.col("time") % 5)
    later = numbered[30:].with_columns(pl.when(pl.col("time") != 50).then("item").alias("item"))
    return numbered[:30], later.with_columns(pl.col("site", "item", "click").cast(pl.Float64))


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_integers_of_one_file_are_the_floats_of_the_next(prepare_log, with_gap, tmp_path, ending):
    for number, part in enumerate(with_gap):
        write = part.write_csv if ending == "csv" else part.write_parquet
        write(tmp_path / f"part_{number}.{ending}")

    data = prepare_log("", file="unused.txt", files=f"part_*.{ending}", cluster="item")

    assert data.domains()["site"].to_list() == ["0", "1"]
    assert data.schema.field_sizes == (3, 6)  # the gap is not in train
    assert len(np.unique(data.clusters())) == 6


def test_whole_floats_of_bags_labels_and_markers(prepare_log, tiny):
    integers = tiny.with_columns(
        tags=pl.format("{};{}", pl.col("time") % 3, pl.lit(7)),
        item=pl.col("time") % 4 - 1,
        site=pl.col("time") % 2,
    )
    some = pl.col("time") % 7 < 3
    floats = integers.with_columns(
        pl.when(some).then(pl.format("{}.0", name)).otherwise(name).alias(name)
        for name in ("click", "site", "item")
    ).with_columns(
        pl.when(some)
        .then(pl.format("{}.0;7.0", pl.col("time") % 3))
        .otherwise("tags")
        .alias("tags")
    )
    keys = {"features": ["site", "item", {"name": "tags", "kind": "bag"}], "missing": ["-1.0"]}

    plain = prepare_log(integers, name="plain", **keys)
    data = prepare_log(floats, **keys)

    assert np.array_equal(data.rows(), plain.rows())


def with_blanks(text):
    return text.replace(",", ", ").replace("\n", " \n")


@pytest.mark.parametrize("separator", [",", "\t"])
def test_blanks_around_names_and_values_are_no_part_of_them(prepare_log, tiny, separator):
    plain = prepare_log(tiny, name="plain")
    text = with_blanks(tiny.rename({"site": "place"}).write_csv()).replace(",", separator)

    data = prepare_log(text, separator=separator, features=["place", "item"], partition=["place"])

    assert np.array_equal(data.rows(), plain.rows())
    assert data.domains()["place"].to_list() == ["a", "b"]


def test_value_of_blanks_is_missing(prepare_log, tiny):
    lines = tiny.write_csv().splitlines()
    lines[1::2] = [line.replace(",i", ",  i").replace("i0", "  ") for line in lines[1::2]]

    data = prepare_log("\n".join(lines))

    assert data.domains().height == 2
    assert data.schema.field_sizes[1] == 1 + 5 + 1  # five items and the missing one


def test_names_that_blanks_alone_tell_apart_are_named_twice(prepare_log, refused, tiny):
    text = tiny.write_csv().replace("item", " site", 1)

    assert "columns named twice: 'site'" in refused(prepare_log, text)


@pytest.mark.parametrize(
    ("bag", "separator", "tokens"),
    [
        ("[3, 12]", ",", ["3", "12"]),
        ("['a b', \"it's\"]", ", ", ["a b", "it's"]),
        ('["a","b"]', ",", ["a", "b"]),
        ("['live [hd]', 'b']", ",", ["live [hd]", "b"]),
        ("['Action, Adventure', 'Drama']", ",", ["Action, Adventure", "Drama"]),
        ("['Action, Adventure', 'Drama']", ", ", ["Action, Adventure", "Drama"]),
        ('["a|b","c"]', "|", ["a|b", "c"]),
        ('["a|b","c"]', ",", ["a|b", "c"]),
        ('["a|b","c,"]', ", ", ["a|b", "c,"]),
        ("['it\\'s, x', \"d'a, b\"]", ",", ["it\\'s, x", "d'a, b"]),
        ("['New York' 'Rome'\n 'Bern']", " ", ["New York", "Rome", "Bern"]),
        ("['[a, b]', None, 1.0]", ",", ["[a, b]", "None", "1"]),
        ("[O'Neill, d'Arc]", ",", ["O'Neill", "d'Arc"]),
        ("'a, b', 'c'", ",", ["'a", "b'", "c"]),
        ("[3. 12.0]", " ", ["3.", "12"]),
        ("[]", ",", []),
        ("[a];[b]", ";", ["[a]", "[b]"]),
        ("Drama, Comedy,War", ",", ["Drama", "Comedy", "War"]),
        ("a; ;;b ", ";", ["a", "b"]),
        ("O'Neill|'t Hooft", "|", ["O'Neill", "'t Hooft"]),
    ],
)
def test_tokens_of_a_bag(bag, separator, tokens):
    places, found = split_bags(pl.Series(["z", bag, None, "z"]), separator)

    assert found.to_list() == ["z", *tokens, "z"]
    assert places.tolist() == [0, *[1] * len(tokens), 3]


def test_element_that_holds_the_separator_is_named(prepare_log, refused, tiny, tmp_path):
    lists = [["a", None, "b"]] * 7 + [["a", "b;c"]] + [[]] * 52
    tiny.with_columns(tags=pl.Series(lists)).write_parquet(tmp_path / "log.parquet")
    tags = {"name": "tags", "kind": "bag"}
    keys = {"file": "unused.txt", "files": "log.parquet"}

    message = refused(prepare_log, "", features=["site", tags], **keys)
    data = prepare_log("", features=["site", tags | {"separator": "|"}], **keys)

    assert "log.parquet row 8: an element of the list 'tags' holds the separator ';'" in message
    assert data.schema.bag_sizes == (1 + 3,)


def test_lists_as_python_writes_them_are_the_bags_of_parquet(prepare_log, tiny, tmp_path):
    lists = [[str(row % 3), "x y"][: row % 4] for row in range(60)]
    features = ["site", {"name": "tags", "kind": "bag", "separator": ","}]
    tiny.with_columns(tags=pl.Series(lists)).write_parquet(tmp_path / "log.parquet")
    typed = prepare_log("", file="unused.txt", files="log.parquet", features=features)

    texts = tiny.with_columns(tags=pl.Series([str(value) for value in lists]))
    texts.write_csv(tmp_path / "text.csv")
    data = prepare_log("", file="unused.txt", files="text.csv", features=features)

    assert np.array_equal(data.rows(), typed.rows())


def test_decimal_mark_is_of_text_and_not_of_numbers():
    frame = pl.LazyFrame({"price": [1.234, 2490.0], "words": ["1.234", "2.490,00"]})

    found = as_text(frame, ("price", "words"), {"price": ",", "words": ","}).collect()

    assert found["price"].to_list() == ["1.234", "2490"]
    assert found["words"].to_list() == ["1234", "2490.00"]
