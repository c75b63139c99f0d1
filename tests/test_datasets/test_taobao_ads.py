from __future__ import annotations

import logging

import polars as pl

from datasets.catalog import taobao_ads


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


def test_users_without_a_profile_are_kept_and_counted(write_raw, prepare_entry, caplog):
    with caplog.at_level(logging.WARNING):
        data = prepare_entry("taobao_ads", write_raw("taobao_ads"))

    assert data.card["rows_in_log"] == 60
    assert "6 rows name 1 values of user that user_profile.csv lacks" in caplog.text
    field = data.schema.fields.index("final_gender_code")
    assert data.schema.field_sizes[field] == 4  # unseen, 1, 2 and missing


def test_price_that_is_no_number_is_named_in_the_row_of_the_log(write_raw, prepare_entry, refused):
    path = write_raw("taobao_ads") / "ad_feature.csv"
    path.write_text(path.read_text().replace(",10.5", ",cheap", 1))

    message = refused(prepare_entry, "taobao_ads")

    assert "raw_sample.csv line 3: numeric column 'price' holds 'cheap'" in message
