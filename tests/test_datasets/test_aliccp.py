from __future__ import annotations

import gzip

from datasets.catalog import aliccp


def test_skeleton_and_common_features_are_joined_within_their_split(write_raw):
    raw = aliccp.read_raw(write_raw("aliccp"))

    rows = raw.frame.collect(engine="streaming").rows(named=True)

    assert [row["click"] for row in rows] == [
        str(int(row % 3 == 0)) for row in [*range(40), *range(20)]
    ]
    assert [row["user_id"] for row in rows[:5]] == [
        "train0",
        "train1",
        "train2",
        "train3",
        "train0",
    ]
    assert [row["user_id"] for row in rows[40:44]] == ["test0", "test1", "test2", "test0"]


def test_fields_of_a_line_are_those_of_the_format(write_raw):
    raw = aliccp.read_raw(write_raw("aliccp"))

    row = raw.frame.collect().row(7, named=True)  # item 7 % 5, user 3

    assert (row["scenario"], row["item_id"], row["category_id"]) == ("2", "1002", "51")
    assert row["intention_ids"] == "70;72"
    assert row["user_consumption_2"] == "3"  # field 127, not the history 127_14
    assert row["brand_history"] == "800"
    assert row["category_history"] == "500;501;502;503;504;505;506;507"  # the first 8 of 12
    assert row["category_x_history"] is None
    assert row["shop_id"] is None


def test_field_whose_number_ends_like_another_is_not_taken_for_it(write_raw):
    path = write_raw("aliccp") / "sample_skeleton_train.csv"
    more = "9205\x024\x031.0\x01205\x021000"
    path.write_text(path.read_text().replace("205\x021000", more, 1))

    assert aliccp.read_raw(path.parent).frame.collect()["item_id"].first() == "1000"


def test_no_history_is_an_empty_bag(write_raw):
    raw = aliccp.read_raw(write_raw("aliccp"))

    histories = raw.frame.collect()["category_history"].to_list()

    assert histories[0] is None
    assert histories[1] == "500;501;502;503"


def test_log_is_shuffled_over_both_files(write_raw, prepare_entry):
    data = prepare_entry("aliccp", write_raw("aliccp"), split_seed=3)

    train = data.row_ids()[: data.card["rows"]["train"]]
    assert data.card["split_kind"] == "shuffle"
    assert data.card["rows"] == {"train": 40, "dev": 10, "test": 10}
    assert min(train) < 40 <= max(train)


def test_compressed_files_are_read(write_raw, prepare_entry):
    folder = write_raw("aliccp")
    plain = prepare_entry("aliccp").rows().tolist()
    for path in folder.glob("*.csv"):
        (folder / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()

    assert prepare_entry("aliccp").rows().tolist() == plain


def test_files_of_train_and_test_that_are_exchanged_are_refused(write_raw, prepare_entry, refused):
    folder = write_raw("aliccp")
    (folder / "common_features_train.csv").rename(folder / "x")
    (folder / "common_features_test.csv").rename(folder / "common_features_train.csv")
    (folder / "x").rename(folder / "common_features_test.csv")

    message = refused(prepare_entry, "aliccp")
    assert "10 rows name 1 values of common_feature_index" in message


def test_line_without_features_is_named(write_raw, prepare_entry, refused):
    folder = write_raw("aliccp")
    path = folder / "sample_skeleton_train.csv"
    first, second, *rest = path.read_text().splitlines()
    second = ",".join([*second.split(",")[:-1], "garbage"])
    path.write_text("\n".join([first, second, *rest]) + "\n")

    message = refused(prepare_entry, "aliccp")
    assert "sample_skeleton_train.csv line 2: the list of features has no entry" in message
