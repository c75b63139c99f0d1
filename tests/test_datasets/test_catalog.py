from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from datasets import catalog
from datasets.catalog import iaac, kuairand
from datasets.prepare import PrepareOptions, prepare
from datasets.spec import DataError

ROOT = Path(__file__).resolve().parents[2]


def prepared(name, folder, **options):
    return prepare(catalog.load(name), folder, folder / "cache", PrepareOptions(**options))


@pytest.mark.parametrize("name", catalog.available())
def test_entry_is_named_after_its_file(name):
    entry = catalog.load(name)

    assert entry.spec.name == name
    assert entry.default_dir == ROOT / "datasets" / "data" / "raw" / name
    assert entry.spec.source


@pytest.mark.parametrize("name", catalog.available())
def test_entry_reads_the_columns_of_its_spec(name, write_raw):
    entry = catalog.load(name)

    raw = entry.read_raw(write_raw(name))

    spec = entry.spec.without(raw.absent)
    needed = {spec.label, spec.timestamp, *(feature.name for feature in spec.features)}
    assert needed - {None} <= set(raw.frame.collect_schema().names())
    assert raw.files or raw.identity


@pytest.mark.parametrize("name", catalog.available())
def test_entry_is_prepared(name, write_raw):
    data = prepared(name, write_raw(name))

    assert sum(data.card["rows"].values()) == len(data.rows()) == data.card["rows_in_log"]
    assert sorted(data.row_ids().tolist()) == list(range(len(data.rows())))
    assert data.card["split_kind"] == "time"
    assert data.domains()["train_impressions"].sum() == data.card["rows"]["train"]
    for partition in data.spec.finer:
        finer = prepared(name, data.directory.parents[1], partition=partition)
        assert len(finer.domains()) >= len(data.domains())


def test_unknown_name_lists_what_exists():
    with pytest.raises(
        DataError, match="'iacc'; available: iaac, kuairand, synthetic_production, or a file"
    ):
        catalog.load("iacc")


def test_listing_imports_no_heavy_package():
    code = (
        "import sys; from datasets import catalog; catalog.available();"
        " print({'polars', 'numpy', 'torch'} & set(sys.modules))"
    )

    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)

    assert done.stdout.strip() == "set()", done.stderr


@pytest.mark.parametrize(
    ("files", "read"),
    [
        (["round2_train.txt", "round1_ijcai_18_train_20180301.txt"], "round2_train.txt"),
        (
            ["round1_ijcai_18_train_20180301.txt", "iaac_round1_random28k.txt"],
            "round1_ijcai_18_train_20180301.txt",
        ),
        (["iaac_round1_union.txt", "iaac_round1_random28k.txt"], "iaac_round1_random28k.txt"),
    ],
)
def test_iaac_reads_exactly_one_file(write_raw, files, read):
    for file in files:
        folder = write_raw("iaac", file=file)

    card = prepared("iaac", folder).card

    assert [file["name"] for file in card["files"]] == [read]
    assert card["rows_in_log"] == 60


def test_iaac_of_absent_columns_is_shuffled(write_raw):
    folder = write_raw("iaac", drop=iaac.MAY_BE_ABSENT)

    card = prepared("iaac", folder).card

    assert card["split_kind"] == "shuffle"
    assert set(card["absent_columns"]) == set(iaac.MAY_BE_ABSENT)


def test_iaac_lacks_no_other_column(write_raw):
    folder = write_raw("iaac", drop=["shop_id"])

    with pytest.raises(DataError, match="column 'shop_id' is missing"):
        prepared("iaac", folder)


def test_iaac_minus_one_is_a_missing_number(write_raw):
    data = prepared("iaac", write_raw("iaac"))

    field = data.schema.fields.index("shop_score_service")
    missing = data.rows()[:, field] == data.schema.field_sizes[field] - 1
    assert data.row_ids()[missing].tolist() == [5]


def test_iaac_lists_are_bags(write_raw):
    data = prepared("iaac", write_raw("iaac"))

    place = data.schema.bags.index("predict_category_property")
    assert data.schema.bag_sizes[place] == 3  # code 0, "7:1,2" and "8:-1"


def test_kuairand_has_no_feature_that_tells_the_click():
    names = {feature.name for feature in kuairand.SPEC.features}

    assert not names & {*kuairand.LEAKS, "date", "is_click", "time_ms"}
    assert not any(name.endswith("_cnt") or "play" in name for name in names)
    for name in kuairand.LEAKS:
        assert name in kuairand.__doc__


@pytest.mark.parametrize("file", kuairand.LOG_FILES)
def test_kuairand_joins_users_and_videos_in_log_order(write_raw, file):
    raw = kuairand.read_raw(write_raw("kuairand", file=file))

    frame = raw.frame.collect(engine="streaming")

    index = np.arange(60)
    assert frame["user_active_degree"].to_list() == [str(user % 3) for user in index % 12]
    assert frame["author_id"].to_list() == [str(video % 4) for video in index % 10]
    assert frame["hour"].to_list() == [f"{hour:02d}" for hour in index % 24]


def test_kuairand_side_file_with_two_rows_of_a_key(write_raw):
    folder = write_raw("kuairand")
    path = folder / kuairand.USER_FILE
    users = pl.read_csv(path)
    pl.concat([users, users[4:5]]).write_csv(path)

    with pytest.raises(DataError, match=r"line 6: user_id '4' occurs more than once"):
        prepared("kuairand", folder)


def test_kuairand_without_a_side_file(write_raw):
    folder = write_raw("kuairand")
    (folder / kuairand.VIDEO_FILE).unlink()

    with pytest.raises(DataError, match=r"none of the files video_features_basic_pure\.csv"):
        prepared("kuairand", folder)
