from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from datasets import catalog
from datasets.catalog import custom
from datasets.encoding.options import PrepareOptions
from datasets.prepare import prepare
from datasets.spec import DataError, FeatureSpec

EXAMPLE = Path(custom.__file__).with_name("example.toml")


def test_example_describes_a_log():
    spec = catalog.load(str(EXAMPLE)).spec

    assert spec.name == "my_log"
    assert spec.features[3] == FeatureSpec(name="item_id", min_count=2)
    assert spec.features[5].separator == "|"
    assert spec.representative == "scenario"
    assert spec.source.licence == "internal"


def test_example_is_prepared_from_files_in_name_order(tmp_path, tiny):
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

    data = prepare(catalog.load(str(toml)), None, tmp_path / "cache", PrepareOptions())

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
    ("content", "words"), [(b"no parquet", "not a readable Parquet file"), (None, "has no row")]
)
def test_unusable_parquet(prepare_log, tiny, tmp_path, content, words):
    tiny.head(0).write_parquet(tmp_path / "log.parquet")
    if content:
        (tmp_path / "log.parquet").write_bytes(content)

    with pytest.raises(DataError, match=words):
        prepare_log("", file="unused.txt", files="log.parquet")


def test_other_separator_and_gzip(prepare_log, tiny):
    packed = gzip.compress(tiny.write_csv(separator="\t").encode())

    data = prepare_log(packed, file="log.tsv.gz", files="log.tsv.gz", separator="\t")

    assert len(data.rows()) == 60


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"lable": "click"}, "unknown key 'lable'; allowed: name, files, label"),
        ({"label": None}, "key 'label' is missing"),
        ({"label": 1}, "label must be a text in quotes, got 1"),
        ({"features": "site"}, "features must be a list in brackets"),
        ({"features": [{"name": "site", "min": 2}]}, "feature 1: unknown key 'min'; allowed: name"),
        ({"features": ["site", {"kind": "bag"}]}, "feature 2: key 'name' is missing"),
        ({"features": [3]}, "feature 1 must be a column name or a table, got 3"),
        ({"features": [{"name": "site", "min_count": "2"}]}, "min_count must be an integer"),
        ({"features": [{"name": "site", "min_count": True}]}, "min_count must be an integer"),
        ({"features": [{"name": "site", "kind": "text"}]}, "unknown kind 'text'"),
        ({"partition": ["place"]}, "domain column 'place' is not a categorical feature"),
        ({"partition": []}, "partition must be a list of one or more texts"),
        ({"partition": [1]}, "partition must be a list of one or more texts"),
        ({"representative": "item"}, "representative 'item' must be one of"),
        ({"separator": "||"}, "separator must be one ASCII character"),
        ({"files": "/data/log.csv"}, "files must be a pattern such as"),
        ({"files": ""}, "files must be a pattern such as"),
        ({"name": "a/b"}, "name 'a/b' may hold letters"),
        ({"name": ""}, "name '' may hold letters"),
        ({"features": ["/tmp/x"], "partition": ["/tmp/x"]}, "'/tmp/x' cannot name a folder"),
        ({"name": "iaac"}, "name 'iaac' is taken"),
        ({"features": ["site", "click"]}, "columns named twice: click"),
    ],
)
def test_wrong_key_or_value_is_named(write_toml, changes, words):
    path = write_toml(**changes)

    with pytest.raises(DataError) as caught:
        catalog.load(str(path))

    assert str(caught.value).startswith(f"{path}: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_file_that_is_no_toml(tmp_path):
    path = tmp_path / "log.toml"
    path.write_text("name = \n")

    with pytest.raises(DataError, match=r"not a TOML file \(.*line 1"):
        catalog.load(str(path))


def test_missing_toml(tmp_path):
    with pytest.raises(DataError, match="there is no such file"):
        catalog.load(str(tmp_path / "log.toml"))


@pytest.mark.parametrize("pattern", ["**.csv", ".", "a/**b/c.csv"])
def test_pattern_that_is_none_is_named(prepare_log, tiny, pattern):
    with pytest.raises(DataError, match="files") as caught:
        prepare_log(tiny, files=pattern)

    assert repr(pattern) in str(caught.value)


def test_pattern_that_matches_nothing(prepare_log, tiny):
    with pytest.raises(DataError, match=r"no file matches 'logs\*\.csv'"):
        prepare_log(tiny, files="logs*.csv")
