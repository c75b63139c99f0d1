from __future__ import annotations

import logging

import polars as pl
import pytest

from datasets import catalog
from datasets.catalog import taobao_ads
from datasets.prepare import prepare
from datasets.spec import DataError, PrepareOptions


def prepared(folder):
    return prepare(catalog.load("taobao_ads"), folder, folder / "cache", PrepareOptions())


def refused(folder):
    with pytest.raises(DataError) as caught:
        prepared(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_ads_and_users_are_joined(write_raw):
    raw = taobao_ads.read_raw(write_raw("taobao_ads"))

    row = raw.frame.collect(engine="streaming").row(7, named=True)  # user 7, ad 1

    assert row["pid"] == "430539_1007"
    assert (row["cate_id"], row["brand"], row["price"]) == ("601", "91", "10.5")
    assert (row["final_gender_code"], row["age_level"]) == ("2", "3")
    assert row["pvalue_level"] is None
    assert row["new_user_class_level"] == "1"  # the official header has a blank after this name


def test_hour_is_that_of_china(write_raw):
    raw = taobao_ads.read_raw(write_raw("taobao_ads"))

    hours = raw.frame.collect()["hour"].to_list()

    assert hours[:4] == ["0", "0", "1", "1"]  # 1494000000 is 2017-05-06 00:00 in China


def test_null_brand_is_missing(write_raw):
    raw = taobao_ads.read_raw(write_raw("taobao_ads"))

    frame = raw.frame.collect()

    assert frame.filter(pl.col("adgroup_id") == "2")["brand"].null_count() == 10
    assert frame["brand"].null_count() == 10


def test_users_without_a_profile_are_kept_and_counted(write_raw, caplog):
    with caplog.at_level(logging.WARNING):
        data = prepared(write_raw("taobao_ads"))

    assert data.card["rows_in_log"] == 60
    assert "6 rows name 1 values of user that user_profile.csv lacks" in caplog.text
    field = data.schema.fields.index("final_gender_code")
    assert data.schema.field_sizes[field] == 4  # unseen, 1, 2 and missing


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("raw_sample.csv", ",clk", ",click", "column 'clk' is missing"),
        ("ad_feature.csv", "brand", "brands", "column 'brand' is missing"),
        ("user_profile.csv", "userid", "user", "column 'userid' is missing"),
        ("raw_sample.csv", "\n3,", "\n3,3,", "line 5: the line has 7 values"),
        ("raw_sample.csv", ",1494000000,", ",May,", "line 2: timestamp column 'time_stamp'"),
        ("ad_feature.csv", ",10.5", ",cheap", "line 3: numeric column 'price' holds 'cheap'"),
    ],
)
def test_wrong_content_is_named(write_raw, file, old, new, words):
    path = write_raw("taobao_ads") / file
    path.write_text(path.read_text().replace(old, new, 1))

    assert words in refused(path.parent)


def test_click_and_its_complement_differ_in_every_row(write_raw):
    path = write_raw("taobao_ads") / "raw_sample.csv"
    header, first, *rest = path.read_text().splitlines()
    values = dict(zip(header.split(","), first.split(","), strict=True))
    values["nonclk"] = values["clk"]
    path.write_text("\n".join([header, ",".join(values.values()), *rest]) + "\n")

    assert "raw_sample.csv line 2: clk and nonclk must differ" in refused(path.parent)
