from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from datasets import catalog
from datasets.catalog import custom
from datasets.catalog.custom import FileLayout
from datasets.profiling.timeformats import FORMATS
from datasets.spec import DataError, FeatureSpec

EXAMPLE = Path(custom.__file__).with_name("example.toml")


def test_example_describes_a_log():
    spec = catalog.load(str(EXAMPLE)).spec

    assert spec.name == "my_log"
    assert spec.features[3] == FeatureSpec(name="item_id", min_count=2)
    assert spec.features[5].separator == "|"
    assert spec.representative == "scenario"
    assert spec.prior == ("user_id", "item_id")
    assert spec.source.licence == "internal"


def test_example_is_prepared_from_files_in_name_order(prepare_entry, tmp_path, tiny):
    toml = tmp_path / "example.toml"
    toml.write_text(EXAMPLE.read_text())
    columns = {"site": "scenario", "item": "item_id"}
    log = tiny.rename(columns).with_columns(
        position=pl.lit("top"),
        user_id=pl.lit("u"),
        price=pl.col("time") / 7,
        tags=pl.lit("red|blue"),
    )
    log[30:].write_csv(tmp_path / "impressions_2.csv")
    (tmp_path / "impressions_1.csv.gz").write_bytes(b"unused")
    log[:30].write_csv(tmp_path / "impressions_1.csv")

    data = prepare_entry(str(toml))

    assert data.row_ids().tolist() == list(range(60))
    assert [file["name"] for file in data.card["files"]] == [
        "impressions_1.csv",
        "impressions_2.csv",
    ]
    assert data.schema.bags == ("tags",)


def test_parquet_and_csv_give_the_same_rows(prepare_log, tiny, tmp_path):
    plain = prepare_log(tiny, name="csv")
    tiny.write_parquet(tmp_path / "log.parquet")

    data = prepare_log("", file="unused.txt", files="log.parquet")

    assert np.array_equal(data.rows(), plain.rows())


def test_parquet_types_become_text(prepare_log, tiny, tmp_path):
    log = tiny.with_columns(
        time=pl.from_epoch("time"),
        click=pl.col("click") == 1,
        tags=pl.lit(["x", "y"], pl.List(pl.String)),
    )
    log.write_parquet(tmp_path / "log.parquet")
    features = ["site", {"name": "tags", "kind": "bag"}]

    data = prepare_log("", file="unused.txt", files="*.parquet", features=features)

    assert data.schema.bag_sizes == (3,)
    assert np.array_equal(data.rows()[:, -1], tiny["click"].to_numpy())


def test_parquet_times_with_a_zone(prepare_log, tiny, tmp_path):
    times = pl.from_epoch("time").dt.replace_time_zone("Europe/Berlin")
    tiny.reverse().with_columns(time=times).write_parquet(tmp_path / "log.parquet")

    data = prepare_log("", file="unused.txt", files="log.parquet")

    assert data.row_ids().tolist() == list(range(60))[::-1]


def test_parquet_files_of_different_types_are_one_log(prepare_log, tiny, tmp_path):
    tiny[:30].write_parquet(tmp_path / "log_1.parquet")
    tiny[30:].with_columns(pl.col("time").cast(pl.Int32), extra=pl.lit([1])).write_parquet(
        tmp_path / "log_2.parquet"
    )

    data = prepare_log("", file="unused.txt", files="log_*.parquet")

    assert data.row_ids().tolist() == list(range(60))


def test_error_in_a_later_file_names_that_file(prepare_log, tiny, tmp_path):
    tiny.write_csv(tmp_path / "log_1.csv")

    with pytest.raises(DataError, match=r"log_2\.csv line 3: label 'click' is '7'"):
        prepare_log("click,site,item,time\n0,a,i,1\n7,a,i,2\n", file="log_2.csv", files="log_*.csv")


def test_error_in_parquet_names_the_row(prepare_log, tiny, tmp_path):
    tiny.with_columns(click=pl.lit(3)).write_parquet(tmp_path / "log.parquet")

    with pytest.raises(DataError, match=r"log\.parquet row 1: label 'click' is '3'"):
        prepare_log("", file="unused.txt", files="log.parquet")


@pytest.mark.parametrize(
    ("content", "words"), [(b"PAR1", "not a readable Parquet file"), (None, "has no row")]
)
def test_unusable_parquet(prepare_log, tiny, tmp_path, content, words):
    tiny.head(0).write_parquet(tmp_path / "log.parquet")
    if content:
        (tmp_path / "log.parquet").write_bytes(content)

    with pytest.raises(DataError, match=words):
        prepare_log("", file="unused.txt", files="log.parquet")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"lable": "click"}, "unknown key 'lable'; allowed: name, files, label"),
        ({"label": None}, "key 'label' is missing"),
        ({"label": 1}, "label must be a text in quotes, got 1"),
        ({"features": "site"}, "features must be a list in brackets"),
        ({"features": [{"name": "site", "min": 2}]}, "feature 1: unknown key 'min'; allowed: name"),
        ({"features": ["site", {"kind": "bag"}]}, "feature 2: key 'name' is missing"),
        ({"features": [{"name": "site", "missing": []}]}, "feature 'site': missing must be a list"),
        ({"features": [{"name": "site", "decimal": ","}]}, "feature 'site': decimal is of numbers"),
        (
            {"features": ["site", {"name": "n", "kind": "numeric", "decimal": ";"}]},
            "feature 'n': decimal must be '.' or ','",
        ),
        ({"features": [3]}, "feature 1 must be a column name or a table, got 3"),
        ({"features": [{"min_count": "2"}]}, "feature 1: min_count must be an integer"),
        ({"features": [{"min_count": True}]}, "feature 1: min_count must be an integer"),
        ({"features": [{"name": "site", "kind": "text"}]}, "feature 'site': unknown kind 'text'"),
        ({"partition": ["place"]}, "data set 'tiny': domain column 'place' is not"),
        ({"partition": []}, "partition must be a list of one or more texts"),
        ({"partition": [1]}, "partition must be a list of one or more texts"),
        ({"representative": "item"}, "data set 'tiny': representative 'item' must be one of"),
        ({"prior": "item"}, "prior must be a list in brackets, got 'item'"),
        ({"prior": []}, "prior must be a list of one or more texts"),
        ({"prior": ["user"]}, "data set 'tiny': prior column 'user' is no feature; allowed are"),
        ({"prior": ["click"]}, "data set 'tiny': prior column 'click' is no feature"),
        ({"prior": ["site"]}, "data set 'tiny': prior column 'site' is a domain column"),
        ({"prior": ["item", "item"]}, "data set 'tiny': prior column 'item' comes twice"),
        (
            {"features": ["site", {"name": "n", "kind": "numeric"}, "item"], "prior": ["n"]},
            "data set 'tiny': prior column 'n' is of the kind numeric; allowed are the"
            " categorical features beside the domain columns: item",
        ),
        (
            {"features": ["site", {"name": "tags", "kind": "bag"}], "prior": ["tags"]},
            "data set 'tiny': prior column 'tags' is of the kind bag",
        ),
        ({"separator": "||"}, "separator must be one ASCII character"),
        ({"files": "/data/log.csv"}, "files must be a pattern such as"),
        ({"files": ""}, "files must be a pattern such as"),
        ({"name": "a/b"}, "name 'a/b' may hold letters"),
        ({"name": ""}, "name '' may hold letters"),
        ({"features": ["/tmp/x"], "partition": ["/tmp/x"]}, "domain column '/tmp/x' cannot name"),
        ({"name": "iaac"}, "name 'iaac' is taken"),
        ({"features": ["site", "click"]}, "data set 'tiny': columns named twice: click"),
        ({"positive": []}, "positive must be a list of one or more labels"),
        ({"positive": [["yes"]]}, "positive must be a list of one or more labels"),
        ({"positive": "yes"}, "positive must be a list in brackets"),
        ({"positive_from": "1"}, "positive_from must be a number, got '1'"),
        ({"positive_from": 1, "positive": [1]}, "say either positive or positive_from"),
        ({"missing": [1]}, "missing must be a list of one or more texts"),
        ({"columns": ["a", "a"]}, "columns names a twice"),
        ({"files": []}, "files must be a list of one or more texts"),
        ({"files": ["/a.csv"]}, "files must be a pattern such as"),
        ({"files": 3}, "files must be a text in quotes, or a list of them"),
        ({"timestamp_format": "%H:%M"}, "timestamp_format '%H:%M' does not describe a date"),
        ({"timestamp_format": "%d/%m"}, "timestamp_format '%d/%m' does not describe a date"),
        ({"timestamp_format": "noon"}, "timestamp_format 'noon' does not describe a date"),
        ({"timestamp_format": "%Y%m%d%H%M%S%f"}, "timestamp_format '%Y%m%d%H%M%S%f': a fraction"),
        ({"timestamp_format": ""}, "timestamp_format '' does not describe a date"),
    ],
)
def test_wrong_key_or_value_is_named(write_toml, refused, changes, words):
    path = write_toml(**changes)

    assert refused(catalog.load, str(path)).startswith(f"{path}: {words}")


@pytest.mark.parametrize(
    ("name", "words"), [("log", r"not a TOML file \(.*line 1"), ("none", "there is no such file")]
)
def test_file_that_is_no_toml(tmp_path, name, words):
    (tmp_path / "log.toml").write_text("name = \n")

    with pytest.raises(DataError, match=words):
        catalog.load(str(tmp_path / f"{name}.toml"))


@pytest.mark.parametrize("pattern", ["**.csv", ".", "a/**b/c.csv", "logs*.csv"])
def test_pattern_that_is_none_or_matches_nothing_is_named(prepare_log, tiny, pattern):
    words = "no file matches" if pattern == "logs*.csv" else "files"

    with pytest.raises(DataError, match=f"{words}.* {re.escape(repr(pattern))}"):
        prepare_log(tiny, files=pattern)


def labels_of(data):
    return data.rows()[np.argsort(data.row_ids()), -1].tolist()


@pytest.mark.parametrize(
    ("values", "positive"),
    [
        (["click", "none", "late"], ["Click"]),
        (["5", "1", "3"], [4, 5]),
        (["5.0", "1.5", "3"], ["4", "5"]),
        (["True", "False", "False"], [True]),
    ],
)
def test_listed_labels_count_as_1(prepare_log, tiny, values, positive):
    log = tiny.with_columns(click=pl.Series([values[row % 3] for row in range(60)]))

    data = prepare_log(log, positive=positive)

    assert labels_of(data) == [int(row % 3 == 0) for row in range(60)]


def test_numbers_from_the_least_one_on_count_as_1(prepare_log, tiny):
    log = tiny.with_columns(click=pl.Series(["3", "0", "0.5", "1.0", "-1"] * 12))

    data = prepare_log(log, positive_from=1)

    assert labels_of(data) == [1, 0, 0, 1, 0] * 12


@pytest.mark.parametrize("value", ["many", "nan", "inf"])
def test_count_that_is_no_number_is_named(prepare_log, refused, tiny, value):
    log = tiny.with_columns(click=pl.Series(["3", "0", value] * 20))

    message = refused(prepare_log, log, positive_from=1)

    assert f"log.csv line 4: label 'click' is '{value}'" in message


@pytest.mark.parametrize("missing", ["", '""'])
def test_missing_label_is_no_negative(prepare_log, tiny, missing):
    lines = tiny.write_csv().splitlines(keepends=True)
    lines[8] = lines[8].rpartition(",")[0] + f",{missing}\n"

    with pytest.raises(DataError, match=r"log\.csv line 9: label 'click' is None"):
        prepare_log("".join(lines), positive=["1"])


def test_prepared_rows_follow_changes_of_what_values_mean(prepare_log, tiny):
    log = tiny.with_columns(click=pl.col("time") % 5 + 1)

    some = prepare_log(log, positive=[5])
    more = prepare_log(log, positive=[4, 5])

    assert some.fingerprint != more.fingerprint
    assert (sum(labels_of(some)), sum(labels_of(more))) == (12, 24)


def test_texts_for_missing_values(prepare_log, tiny):
    texts = pl.when(pl.col("time") % 4 == 0).then(pl.lit("NA"))
    log = tiny.with_columns(texts.otherwise(pl.col("time")).alias("price"))
    features = ["site", {"name": "price", "kind": "numeric", "num_buckets": 2}]

    data = prepare_log(log, features=features, missing=["NA"])

    codes = data.rows()[:, 1]
    assert np.array_equal(codes == 3, np.arange(60) % 4 == 0)  # two buckets, then missing


def test_text_for_a_missing_value_of_one_feature_stays_a_value_of_others(prepare_log, tiny):
    country = tiny.with_columns(
        site=pl.Series(["NA", "FR"] * 30),
        price=pl.when(pl.col("time") % 4 == 0).then(pl.lit("NA")).otherwise(pl.col("time")),
        item=pl.when(pl.col("time") % 5 == 0).then(pl.lit("-1.0")).otherwise("item"),
    )
    price = {"name": "price", "kind": "numeric", "num_buckets": 2, "missing": ["NA"]}

    data = prepare_log(country, features=["site", {"name": "item", "missing": ["-1"]}, price])

    codes = data.rows()
    assert data.domains()["site"].to_list() == ["FR", "NA"]
    assert np.array_equal(codes[:, 2] == 3, np.arange(60) % 4 == 0)  # two buckets, then missing
    assert data.schema.field_sizes[1] == 1 + 4 + 1


NUMBERS = [f"{1_000 * (row % 7) + row / 8:.3f}" for row in range(60)]
COMMA = str.maketrans(".,", ",.")


@pytest.mark.parametrize("decimal", [",", "."])
def test_numbers_with_thousands_and_another_decimal_mark(prepare_log, tiny, decimal):
    plain = {"name": "price", "kind": "numeric", "missing": ["0.000"]}
    known = prepare_log(
        tiny.with_columns(price=pl.Series(NUMBERS)), name="plain", features=["site", plain]
    )
    texts = [f"{float(number):,.3f}" for number in NUMBERS]
    texts = [text.translate(COMMA) for text in texts] if decimal == "," else texts
    price = plain | {"decimal": decimal, "missing": [texts[0]]}

    log = tiny.with_columns(price=pl.Series(texts)).write_csv(separator=";")
    data = prepare_log(log, separator=";", features=["site", price])

    assert np.array_equal(data.rows(), known.rows())


@pytest.mark.parametrize(
    ("decimal", "value"), [(",", "13.5"), (",", "1,2,3"), (".", "13,5"), (".", "1,23,456")]
)
def test_number_with_the_wrong_decimal_mark_is_named(prepare_log, refused, tiny, decimal, value):
    log = tiny.with_columns(item=pl.lit("1")).with_columns(
        item=pl.when(pl.col("time") == 4).then(pl.lit(value)).otherwise("item")
    )
    price = {"name": "item", "kind": "numeric", "decimal": decimal}

    text = log.write_csv(separator="\t")
    message = refused(prepare_log, text, separator="\t", features=["site", price])

    assert "log.csv line 6: numeric column 'item' holds" in message
    assert value in message


@pytest.mark.parametrize(
    ("written", "layout"),
    [
        ("%d/%m/%Y %H:%M", "%d/%m/%Y %H:%M"),
        ("%d %b %Y %H:%M:%S.000", "%d %b %Y %H:%M:%S.%f"),
        ("%y%m%d%H", "%y%m%d%H"),
        ("%Y-%m-%d %H:%M:%S +0200", "%Y-%m-%d %H:%M:%S %z"),
    ],
)
def test_times_of_a_given_format(prepare_log, tiny, written, layout):
    times = (pl.col("time") * 7 * 3_600_000_000).cast(pl.Datetime("us")).dt.strftime(written)
    log = tiny.reverse().with_columns(times.alias("time"))

    data = prepare_log(log, timestamp_format=layout)

    assert data.row_ids().tolist() == list(range(60))[::-1]


def test_timestamp_of_an_empty_name_is_a_column_like_others(prepare_log, refused, tiny):
    data = prepare_log(tiny.reverse().rename({"time": ""}), timestamp="")

    assert data.row_ids().tolist() == list(range(60))[::-1]
    assert "column '' is missing" in refused(prepare_log, tiny, timestamp="")


def test_time_of_another_format_is_named(prepare_log, tiny):
    log = tiny.with_columns(time=pl.lit("03/04/2020 10:00"))
    log[5, "time"] = "noon"

    with pytest.raises(DataError, match=r"log\.csv line 7: timestamp column 'time' holds 'noon'"):
        prepare_log(log, timestamp_format="%d/%m/%Y %H:%M")


def test_time_without_the_zone_of_its_format_is_named(prepare_log, tiny):
    log = tiny.with_columns(time=pl.lit("2020-04-03 10:00:00 +0200"))
    log[5, "time"] = "2020-04-03 10:00:00"

    with pytest.raises(DataError, match=r"line 7: .* holds '2020-04-03 10:00:00'; .* with a zone"):
        prepare_log(log, timestamp_format="%Y-%m-%d %H:%M:%S %z")


@pytest.mark.parametrize("layout", FORMATS)
def test_every_format_that_a_description_may_propose_is_allowed(layout):
    assert FileLayout(files=("log.csv",), timestamp_format=layout).timestamp_format == layout


@pytest.mark.parametrize("file", ["log.csv.zst", "log.csv.gz"])
def test_compressed_file_of_another_separator_gives_the_same_rows(
    prepare_log, tiny, tmp_path, file
):
    plain = prepare_log(tiny, name="plain")
    compression = {"zst": "zstd", "gz": "gzip"}[file.rpartition(".")[2]]
    tiny.write_csv(tmp_path / file, compression=compression, separator="\t")

    data = prepare_log("", file="unused.txt", files=file, separator="\t")

    assert np.array_equal(data.rows(), plain.rows())


@pytest.mark.parametrize("kept", [9, -9])
def test_truncated_zst_is_named(prepare_log, tiny, tmp_path, kept):
    tiny.write_csv(tmp_path / "whole.zst", compression="zstd", check_extension=False)
    packed = (tmp_path / "whole.zst").read_bytes()[:kept]

    with pytest.raises(DataError, match=r"log\.csv\.zst: .*fetch the file again"):
        prepare_log(packed, file="log.csv.zst", files="log.csv.zst")


def test_file_without_header(prepare_log, tiny):
    plain = prepare_log(tiny, name="plain")
    columns = ["time", "site", "item", "click"]

    data = prepare_log(
        tiny.write_csv(include_header=False, separator="\t"), columns=columns, separator="\t"
    )

    assert np.array_equal(data.rows(), plain.rows())


@pytest.mark.parametrize(
    ("line", "columns", "words"),
    [
        ("9,a,i1\n", "time site item click", "line 61: the line has 3 values, the list of columns"),
        ("9,a,i1,7\n", "time site item click", "line 61: label 'click' is '7'"),
        ("", "time site click", "line 1: the line has 4 values, the list of columns names 3"),
    ],
)
def test_wrong_line_of_a_file_without_header(prepare_log, tiny, line, columns, words):
    log = tiny.write_csv(include_header=False) + line

    with pytest.raises(DataError, match=words):
        prepare_log(log, columns=columns.split())


def test_listed_files_are_read_in_name_order(prepare_log, tiny, tmp_path):
    tiny[:30].write_csv(tmp_path / "a.csv")
    tiny[30:].write_csv(tmp_path / "b.csv")
    tiny.write_csv(tmp_path / "c.csv")

    data = prepare_log("", file="unused.txt", files=["b.csv", "[a].csv", "b*.csv"])

    assert data.row_ids().tolist() == list(range(60))


def test_column_that_one_file_lacks_names_both_files(prepare_log, tiny, tmp_path):
    tiny.write_csv(tmp_path / "log_1.csv")
    tiny.drop("item").write_csv(tmp_path / "log_2.csv")

    with pytest.raises(DataError, match=r"log_2\.csv: column 'item' is missing, log_1\.csv has it"):
        prepare_log("", file="unused.txt", files="log_*.csv")


@pytest.mark.parametrize("columns", [["*", "a"], ["a", "*"], ["", "[1]"], ["a.b", "a"]])
def test_odd_names_are_read_as_they_are(prepare_log, tiny, columns):
    plain = prepare_log(tiny, name="plain")
    site, item = columns

    data = prepare_log(
        tiny.rename({"site": item, "item": site}),
        partition=[item],
        features=[item, site],
        missing=["NA"],
    )

    assert np.array_equal(data.rows(), plain.rows())
    assert len(data.coarser_domains([item])) == 2


def test_name_that_is_a_pattern_is_refused(prepare_log, tiny, refused):
    log = tiny.rename({"item": "^a$"})

    message = refused(prepare_log, log, features=["site", "^a$"])

    assert "log.csv: column '^a$' cannot be read, as its name from ^ to $ is a pattern" in message
