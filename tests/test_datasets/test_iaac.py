from __future__ import annotations

import logging

import pytest

from datasets import catalog
from datasets.catalog import iaac
from datasets.prepare import prepare
from datasets.spec import DataError, PrepareOptions

ROUND_1, ROUND_2 = "round1_ijcai_18_train_20180301.txt", "round2_train.txt"


def prepared(folder):
    return prepare(catalog.load("iaac"), folder, folder / "cache", PrepareOptions())


@pytest.mark.parametrize(
    ("files", "read"),
    [
        ([ROUND_2, ROUND_1], ROUND_2),
        ([ROUND_1, "iaac_round1_random28k.txt"], ROUND_1),
        (["iaac_round1_union.txt", "iaac_round1_random28k.txt"], "iaac_round1_random28k.txt"),
    ],
)
def test_exactly_one_file_is_read_and_the_others_are_named(write_raw, caplog, files, read):
    for file in files:
        folder = write_raw("iaac", file=file)

    with caplog.at_level(logging.WARNING):
        card = prepared(folder).card

    assert [file["name"] for file in card["files"]] == [read]
    assert card["rows_in_log"] == 60
    (other,) = {*files} - {read}
    assert f"{read} is read; {other} in the same folder is not" in caplog.text


@pytest.mark.parametrize("file", [ROUND_1, ROUND_2])
def test_official_file_is_split_by_time_into_the_domains_of_the_paper(write_raw, file):
    data = prepared(write_raw("iaac", file=file))

    assert data.card["split_kind"] == "time"
    assert data.card["absent_columns"] == []
    assert data.row_ids().tolist() == list(range(60))  # the file is in the order of time
    assert data.card["partition"] == "user_gender_id+user_age_level+user_star_level"


def test_absent_columns_lead_to_a_shuffle(write_raw):
    card = prepared(write_raw("iaac", drop=iaac.MAY_BE_ABSENT)).card

    assert card["split_kind"] == "shuffle"
    assert set(card["absent_columns"]) == set(iaac.MAY_BE_ABSENT)


@pytest.mark.parametrize("column", ["shop_id", "is_trade"])
def test_no_other_column_may_lack(write_raw, column):
    folder = write_raw("iaac", drop=[column])

    with pytest.raises(DataError, match=f"column '{column}' is missing"):
        prepared(folder)


def test_minus_one_is_a_missing_number(write_raw):
    data = prepared(write_raw("iaac"))

    field = data.schema.fields.index("shop_score_service")
    missing = data.rows()[:, field] == data.schema.field_sizes[field] - 1
    assert data.row_ids()[missing].tolist() == [5]


def test_lists_are_bags(write_raw):
    data = prepared(write_raw("iaac"))

    place = data.schema.bags.index("predict_category_property")
    assert data.schema.bag_sizes[place] == 3  # code 0, "7:1,2" and "8:-1"
