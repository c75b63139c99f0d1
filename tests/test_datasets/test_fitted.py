"""Fitted encoders, read back, give raw rows the codes that preparation gave them."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from datasets import catalog
from datasets.catalog import custom
from datasets.encoding.fitted import FILES, FittedEncoders
from datasets.loader import column_names
from datasets.spec import UNSEEN

NUMBERS = [f"{value}.490,50" if value % 3 else "?" for value in range(30)]
TEXT_LOG = {
    "features": [
        "site",
        "place",
        {"name": "item", "min_count": 3, "missing": ["i4"]},
        {"name": "price", "kind": "numeric", "decimal": ",", "num_buckets": 4, "missing": ["?"]},
        {"name": "tags", "kind": "bag", "separator": "|", "max_length": 2, "min_count": 2},
    ],
    "partition": ["site", "place"],
    "representative": "place",
    "missing": ["NA"],
    "separator": ";",
    "quote": "",
}
OURS = {
    "features": ["domain_id", "task_id", "label", {"name": "eval_domain_id", "kind": "numeric"}],
    "partition": ["task_id", "domain_id"],
}


@pytest.fixture
def wide(tiny):
    """The small log with every kind of column; the last rows have values that train lacks."""
    rng = np.random.default_rng(3)
    new = pl.int_range(pl.len()) > 50
    return tiny.with_columns(
        place=pl.Series(rng.choice(["x", " y", "NA", ""], 60)),
        price=pl.Series(NUMBERS * 2),
        tags=pl.Series([f"a|b{row % 4}|c" if row % 5 else "" for row in range(60)]),
        item=pl.when(new).then(pl.lit("new")).otherwise("item"),
    )


def own_rows(data, root):
    """The raw rows of dev and test with the columns of the log's own files, and their codes."""
    raw = custom.read_spec(root / "log.toml").read_raw(root)
    frame = pl.concat([table.scan() for table in raw.tables]).collect()
    start = data.split["dev"].start
    return frame[data.row_ids()[start:]], data.rows()[start:]


def check(data, frame, codes):
    """The encoders of a prepared log give these codes, but for the columns that metrics need."""
    encoded = data.encoders().encode(frame)

    assert encoded.dtype == np.int32
    assert encoded.shape[1] == len(column_names(data.schema))
    assert np.array_equal(encoded[:, :-2], codes[:, :-2])


@pytest.mark.parametrize("name", catalog.available())
def test_raw_rows_of_a_catalog_log_get_their_prepared_codes(name, write_raw, prepare_entry):
    root = write_raw(name)
    data = prepare_entry(name, root)
    start, stop = data.split["dev"].start, data.candidates.start
    frame = catalog.load(name, world_rows=4_096).read_raw(root).frame.collect()
    label = data.spec.label

    check(data, frame[data.row_ids()[start:]].drop(label), data.rows()[start:stop])


def test_raw_rows_of_text_get_their_prepared_codes(prepare_log, wide, tmp_path):
    text = wide.write_csv(separator=";", quote_style="never")

    data = prepare_log(text, **TEXT_LOG)

    rows, codes = own_rows(data, tmp_path)
    assert {"NA", "new", None} <= {*rows["place"], *rows["item"]}
    check(data, rows, codes)
    assert (codes[:, data.schema.fields.index("item")] == UNSEEN).any()
    (whole,) = data.encoders().encode_file(tmp_path / "log.csv")
    assert np.array_equal(whole[data.row_ids(), :-2], data.rows()[:, :-2])


def test_raw_rows_of_parquet_get_their_prepared_codes(prepare_log, tiny, tmp_path):
    typed = tiny.with_columns(
        site=pl.col("item").str.slice(1).cast(pl.Float64),
        flag=pl.col("time") % 3 == 0,
        price=pl.when(pl.col("time") % 7 > 0).then(pl.col("time") / 4),
        tags=pl.concat_list(pl.col("time") % 4, pl.col("time") % 5),
    )
    typed.write_parquet(tmp_path / "log.parquet")
    more = [{"name": "price", "kind": "numeric"}, {"name": "tags", "kind": "bag"}]
    changes = {"features": ["site", "flag", *more], "partition": ["flag", "site"]}

    data = prepare_log("", files="log.parquet", **changes)

    rows, codes = own_rows(data, tmp_path)
    check(data, rows, codes)
    check(data, typed[data.row_ids()[data.split["dev"].start :]], codes)


def test_columns_named_as_ours_get_their_prepared_codes(prepare_log, tiny, tmp_path):
    log = tiny.with_columns(
        domain_id="site", task_id="item", label=pl.col("time") % 4, eval_domain_id="time"
    )

    data = prepare_log(log, **OURS)

    check(data, *own_rows(data, tmp_path))


def test_columns_that_folders_name_are_read_of_one_more_file(prepare_log, tiny, tmp_path):
    for (site,), part in tiny.group_by("site", maintain_order=True):
        (tmp_path / f"site={site}").mkdir()
        part.drop("site").write_csv(tmp_path / f"site={site}" / "log.csv")

    data = prepare_log("", files="site=*/log.csv")

    (codes,) = data.encoders().encode_file(tmp_path / "site=b" / "log.csv")
    own = data.rows()[np.argsort(data.row_ids())][30:]
    assert np.array_equal(codes[:, :-2], own[:, :-2])


def test_what_pandas_makes_of_a_file_is_looked_up_by_value(prepare_log, tiny, tmp_path):
    log = tiny.with_columns(
        site=pl.when(pl.col("site") == "a").then(pl.lit("TRUE")).otherwise(pl.lit("False")),
        item=pl.when(pl.col("time") % 6 > 0).then(pl.format("0{}", pl.col("time") % 5)),
        rate=pl.format("0.{}0", pl.col("time") % 3),
    )
    data = prepare_log(log, features=["site", "item", "rate"])

    read = pl.DataFrame(pd.read_csv(tmp_path / "log.csv"))

    assert [read[name].dtype for name in ("site", "item", "rate")] == [
        pl.Boolean,
        pl.Float64,
        pl.Float64,
    ]
    codes = data.encoders().encode(read)
    assert np.array_equal(codes[data.row_ids(), :-2], data.rows()[:, :-2])


def test_values_of_no_train_row_are_unseen(prepare_log, tiny):
    encoders = prepare_log(tiny).encoders()

    codes = encoders.encode(pl.DataFrame({"item": ["i1", "never"], "site": ["never", None]}))

    assert codes[0, 0] == codes[0, 2] == codes[0, 3] == codes[1, 1] == codes[1, 2] == UNSEEN
    assert codes[0, 1] > UNSEEN


def test_no_rows_are_no_codes(prepare_log, tiny):
    data = prepare_log(tiny)

    codes = data.encoders().encode(tiny.clear())

    assert codes.shape == (0, data.rows().shape[1])


def test_missing_column_is_named_with_all_that_are_needed(prepare_log, refused, tiny, tmp_path):
    encoders = prepare_log(tiny).encoders()
    tiny.drop("item").write_csv(tmp_path / "other.csv")

    of_frame = refused(encoders.encode, tiny.drop("item"))
    of_file = refused(next, encoders.encode_file(tmp_path / "other.csv"))

    assert of_frame.startswith("the rows: column 'item' is missing; a model of the log 'tiny'")
    assert of_frame.endswith("needs site, item")
    assert of_file.startswith(f"{tmp_path / 'other.csv'}: column 'item' is missing")


def test_text_in_a_numeric_column_is_named_with_its_row(prepare_log, refused, tiny, tmp_path):
    features = ["site", {"name": "price", "kind": "numeric"}]
    encoders = prepare_log(tiny.with_columns(price="time"), features=features).encoders()
    wrong = tiny.with_columns(price=pl.Series(["1"] * 59 + ["dear"]))
    wrong.write_csv(tmp_path / "other.csv")

    of_frame = refused(encoders.encode, wrong)
    of_file = refused(next, encoders.encode_file(tmp_path / "other.csv"))

    assert of_frame.startswith("row 60: numeric column 'price' holds 'dear'; allowed is")
    assert of_file.startswith(f"{tmp_path / 'other.csv'} line 61: numeric column 'price'")


def test_ids_that_have_lost_digits_are_refused(prepare_log, refused, tiny):
    encoders = prepare_log(tiny).encoders()
    rows = tiny.with_columns(item=pl.Series([1.0, 2.0**53, None] * 20))

    assert refused(encoders.encode, rows).startswith("row 2: column 'item' holds 9007199254740992")


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_text("{}")])
def test_a_missing_or_damaged_file_is_refused(prepare_log, refused, tiny, tmp_path, file, damage):
    prepare_log(tiny).encoders().write(tmp_path)
    damage(tmp_path / file)

    assert "holds no fitted encoders" in refused(FittedEncoders.read, tmp_path)


def test_examples_are_rows_of_test_that_can_be_encoded(prepare_log, wide):
    data = prepare_log(wide.write_csv(separator=";", quote_style="never"), **TEXT_LOG)
    test = data.split["test"]

    examples = data.encoders().examples

    assert examples.schema["price"] == pl.Float64
    check(data, examples, data.rows()[test.start : test.start + len(examples)])
