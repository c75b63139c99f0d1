"""How a described log is read: labels, missing values, times, compression and headers."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from datasets import catalog
from datasets.profiling.timeformats import FORMATS
from datasets.raw.value_formats import FileLayout
from datasets.spec import DataError


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


def test_missing_label_is_no_negative(prepare_log, tiny):
    log = tiny.with_columns(pl.when(pl.col("time") != 7).then(pl.lit("yes")).alias("click"))

    with pytest.raises(DataError, match=r"log\.csv line 9: label 'click' is None"):
        prepare_log(log, positive=["yes"])


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


def test_time_of_another_format_is_named(prepare_log, tiny):
    log = tiny.with_columns(time=pl.lit("03/04/2020 10:00"))
    log[5, "time"] = "noon"

    with pytest.raises(DataError, match=r"log\.csv line 7: timestamp column 'time' holds 'noon'"):
        prepare_log(log, timestamp_format="%d/%m/%Y %H:%M")


def test_unknown_time_format_without_a_key_names_the_key(prepare_log, tiny):
    log = tiny.with_columns(time=pl.lit("03/04/2020 10:00"))

    with pytest.raises(DataError, match="say timestamp_format = "):
        prepare_log(log)


@pytest.mark.parametrize("layout", FORMATS)
def test_every_format_that_a_description_may_propose_is_allowed(layout):
    assert FileLayout(files=("log.csv",), timestamp_format=layout).timestamp_format == layout


@pytest.mark.parametrize("file", ["log.csv.zst", "log.csv.gz"])
def test_compressed_file_gives_the_same_rows(prepare_log, tiny, tmp_path, file):
    plain = prepare_log(tiny, name="plain")
    compression = {"zst": "zstd", "gz": "gzip"}[file.rpartition(".")[2]]
    tiny.write_csv(tmp_path / file, compression=compression)

    data = prepare_log("", file="unused.txt", files=file)

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
    ("line", "words"),
    [
        ("9,a,i1\n", "line 61: the line has 3 values, the list of columns names 4"),
        ("9,a,i1,7\n", "line 61: label 'click' is '7'"),
    ],
)
def test_wrong_line_of_a_file_without_header(prepare_log, tiny, line, words):
    log = tiny.write_csv(include_header=False) + line

    with pytest.raises(DataError, match=words):
        prepare_log(log, columns=["time", "site", "item", "click"])


def test_list_of_columns_that_does_not_fit(prepare_log, tiny):
    with pytest.raises(DataError, match="line 1: the line has 4 values, the list of columns names"):
        prepare_log(tiny.write_csv(include_header=False), columns=["time", "site", "click"])


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


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"positive": []}, "positive must be a list of one or more labels"),
        ({"positive": [["yes"]]}, "positive must be a list of one or more labels"),
        ({"positive": "yes"}, "positive must be a list in brackets"),
        ({"missing": [1]}, "missing must be a list of one or more texts"),
        ({"columns": ["a", "a"]}, "columns names a twice"),
        ({"files": []}, "files must be a list of one or more texts"),
        ({"files": ["/a.csv"]}, "files must be a pattern such as"),
        ({"files": 3}, "files must be a text in quotes, or a list of them"),
        ({"timestamp_format": "%H:%M"}, "timestamp_format '%H:%M' does not describe a date"),
        ({"timestamp_format": "%d/%m"}, "timestamp_format '%d/%m' does not describe a date"),
        ({"timestamp_format": "noon"}, "timestamp_format 'noon' does not describe a date"),
        ({"timestamp_format": ""}, "timestamp_format '' does not describe a date"),
    ],
)
def test_wrong_reading_key_is_named(write_toml, changes, words):
    path = write_toml(**changes)

    with pytest.raises(DataError) as caught:
        catalog.load(str(path))

    assert str(caught.value).startswith(f"{path}: {words}")
    assert "\n" not in str(caught.value)


def test_quoted_empty_label_is_missing_whatever_counts_as_1(prepare_log):
    log = "time,site,item,click\n" + "".join(
        f"{row},s{row % 2},i{row % 5},{chr(34) * 2 if row == 7 else row % 3 % 2}\n"
        for row in range(60)
    )

    with pytest.raises(DataError, match=r"line 9: label 'click' is None"):
        prepare_log(log, positive=["1"])
