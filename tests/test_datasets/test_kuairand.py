from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from datasets import catalog
from datasets.catalog import kuairand
from datasets.prepare import prepare
from datasets.spec import DataError, PrepareOptions

PURE, ONE_K, ALL, SAMPLE = range(4)


def prepared(folder):
    return prepare(catalog.load("kuairand"), folder, folder / "cache", PrepareOptions())


def refused(folder):
    with pytest.raises(DataError) as caught:
        prepared(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("release", [PURE, ONE_K, ALL, SAMPLE])
def test_parts_follow_each_other_with_users_and_videos_joined(write_raw, release):
    raw = kuairand.read_raw(write_raw("kuairand", release=release))

    frame = raw.frame.collect(engine="streaming")

    index = np.arange(60)
    assert frame["user_id"].to_list() == [str(user) for user in index % 12]
    assert frame["user_active_degree"].to_list() == [str(user % 3) for user in index % 12]
    assert frame["author_id"].to_list() == [str(video % 4) for video in index % 10]
    assert frame["hour"].to_list() == [f"{hour:02d}" for hour in index % 24]
    assert raw.locate(59) == f"{raw.files[-3]} line {60 // (len(raw.files) - 2) + 1}"


def test_line_of_a_later_part_is_named(write_raw):
    folder = write_raw("kuairand", release=PURE)
    path = folder / kuairand.RELEASES[PURE].logs[1]
    is_fifth = pl.int_range(pl.len()) == 4
    rows = pl.read_csv(path)
    rows.with_columns(is_click=pl.when(is_fifth).then(9).otherwise("is_click")).write_csv(path)

    assert f"{path.name} line 6: label 'is_click' is '9'" in refused(folder)


def test_random_exposures_beside_the_log_are_not_read(write_raw):
    folder = write_raw("kuairand", release=ONE_K)
    (folder / "log_random_4_22_to_5_08_1k.csv").write_text("user_id\n1\n")

    assert prepared(folder).card["rows_in_log"] == 60


def test_side_file_of_another_release_is_refused(write_raw):
    folder = write_raw("kuairand", release=PURE)
    (folder / "user_features_pure.csv").rename(folder / "user_features_1k.csv")

    assert "KuaiRand-1K (user_features_1k.csv)" in refused(folder)


@pytest.mark.parametrize(
    ("file", "column"),
    [
        ("log_standard_4_25_to_5_08_pure.csv", "is_click"),
        ("user_features_pure.csv", "onehot_feat17"),
        ("video_features_basic_pure.csv", "author_id"),
    ],
)
def test_missing_column_is_named(write_raw, file, column):
    path = write_raw("kuairand") / file
    pl.read_csv(path).drop(column).write_csv(path)

    assert f"{file}: column '{column}' is missing" in refused(path.parent)


def test_malformed_line_of_a_side_file_is_named(write_raw):
    path = write_raw("kuairand") / "video_features_basic_pure.csv"
    path.write_text(path.read_text() + "77,1\n")

    assert "video_features_basic_pure.csv line 12: the line has 2 values" in refused(path.parent)
