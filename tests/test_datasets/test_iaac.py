from __future__ import annotations

import logging

import pytest

from datasets.catalog import iaac

ROUND_1, ROUND_2 = "round1_ijcai_18_train_20180301.txt", "round2_train.txt"


@pytest.mark.parametrize(
    ("files", "read"),
    [
        ([ROUND_2, ROUND_1], ROUND_2),
        ([ROUND_1, "iaac_round1_random28k.txt"], ROUND_1),
        (["iaac_round1_union.txt", "iaac_round1_random28k.txt"], "iaac_round1_random28k.txt"),
    ],
)
def test_one_file_is_read_and_the_others_are_named(write_raw, prepare_entry, caplog, files, read):
    for file in files:
        write_raw("iaac", file=file)

    with caplog.at_level(logging.WARNING):
        card = prepare_entry("iaac").card

    assert [file["name"] for file in card["files"]] == [read]
    assert card["rows_in_log"] == 60
    (other,) = {*files} - {read}
    assert f"{read} is read; {other} in the same folder is not" in caplog.text


@pytest.mark.parametrize("file", [ROUND_1, ROUND_2])
def test_official_file_is_split_by_time_into_domains_of_the_paper(write_raw, prepare_entry, file):
    data = prepare_entry("iaac", write_raw("iaac", file=file))

    assert data.card["split_kind"] == "time"
    assert data.card["absent_columns"] == []
    assert data.row_ids().tolist() == list(range(60))  # the file is in the order of time
    assert data.card["partition"] == "user_gender_id+user_age_level+user_star_level"


def test_absent_columns_lead_to_a_shuffle(write_raw, prepare_entry):
    card = prepare_entry("iaac", write_raw("iaac", drop=iaac.MAY_BE_ABSENT)).card

    assert card["split_kind"] == "shuffle"
    assert set(card["absent_columns"]) == set(iaac.MAY_BE_ABSENT)


def test_minus_one_is_a_missing_number(write_raw, prepare_entry):
    data = prepare_entry("iaac", write_raw("iaac"))

    field = data.schema.fields.index("shop_score_service")
    missing = data.rows()[:, field] == data.schema.field_sizes[field] - 1
    assert data.row_ids()[missing].tolist() == [5]


def test_lists_are_bags(write_raw, prepare_entry):
    data = prepare_entry("iaac", write_raw("iaac"))

    place = data.schema.bags.index("predict_category_property")
    assert data.schema.bag_sizes[place] == 3  # code 0, "7:1,2" and "8:-1"
