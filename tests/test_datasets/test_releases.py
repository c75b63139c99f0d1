"""Folders of real logs that lack files, hold other or wrong ones: each is told by its name."""

from __future__ import annotations

import pytest

from datasets.catalog import aliccp, kuairand, movielens, taobao_ads

PURE = kuairand.RELEASES[0]
SKELETON, TAOBAO = "sample_skeleton_train.csv", "raw_sample.csv"
IAAC = "round1_ijcai_18_train_20180301.txt"
FILES = [
    *(("aliccp", name) for name in aliccp.RELEASE.files),
    *(("kuairand", name) for name in PURE.files),
    *(("movielens", name) for name in movielens.ML_1M.files),
    *(("taobao_ads", name) for name in taobao_ads.RELEASE.files),
]
SIDES = {
    "aliccp": "common_features_train.csv",
    "kuairand": "user_features_pure.csv",
    "movielens": "users.dat",
    "taobao_ads": "ad_feature.csv",
}


NO_LIST = " line 1: the list of features is "
WRONG = [
    ("aliccp", SKELETON, "", "click,101,121\n", " line 1: the line has 3 values"),
    ("aliccp", SKELETON, "", "id,1,0,i,5,list\n", f"{NO_LIST}'list'"),
    ("aliccp", SKELETON, "", "1,0,0,a,1,205:1:1.0\n", f"{NO_LIST}'205:1:1.0'"),
    ("aliccp", SKELETON, "", "1,0,0,abc,0,\n", f"{NO_LIST}'None'"),
    ("aliccp", SKELETON, "\n1,0,0,", "\n1,,0,", " line 2: label 'click' is None"),
    ("iaac", IAAC, "shop_id", "shop", ": column 'shop_id' is missing"),
    ("iaac", IAAC, "is_trade", "trade", ": column 'is_trade' is missing"),
    ("kuairand", PURE.logs[1], "2741470,0,", "2741470,9,", " line 6: label 'is_click' is '9'"),
    ("kuairand", PURE.logs[0], "is_click", "clicked", ": column 'is_click' is missing"),
    ("kuairand", PURE.sides[0], "onehot_feat17", "x", ": column 'onehot_feat17' is missing"),
    ("kuairand", PURE.sides[1], "author_id", "author", ": column 'author_id' is missing"),
    ("kuairand", PURE.sides[1], "\n3,", "\n3,3,", " line 5: the line has 13 values"),
    ("movielens", "users.dat", "::56::", "::old::", " line 2: age is 'old'"),
    ("movielens", "users.dat", "3::M::25", "3::M", " line 3: the line has 4 values separated by"),
    ("movielens", "ratings.dat", "1::1::1::", "1::1::0::", " line 1: label 'liked' is 'no rating"),
    ("movielens", "ratings.dat", "1::1::1::", "1::1::", " line 1: the line has 3 values"),
    ("movielens", "ratings.dat", "::978300002", "::", " line 3: timestamp column"),
    ("taobao_ads", TAOBAO, ",clk", ",click", ": column 'clk' is missing"),
    ("taobao_ads", TAOBAO, "\n3,", "\n3,3,", " line 5: the line has 7 values"),
    ("taobao_ads", TAOBAO, ",1494000000,", ",May,", " line 2: timestamp column 'time_stamp'"),
    ("taobao_ads", TAOBAO, "1007,0,1", "1007,1,1", " line 2: clk and nonclk must differ"),
    ("taobao_ads", "ad_feature.csv", "brand", "brands", ": column 'brand' is missing"),
    ("taobao_ads", "user_profile.csv", "userid", "user", ": column 'userid' is missing"),
]


@pytest.fixture
def written(write_raw):
    """Write the raw files of a log, and return the folder."""
    return lambda name: write_raw(name, **({"release": 0} if name == "kuairand" else {}))


@pytest.fixture
def message_of(prepare_entry, refused):
    """The error of the raw files of a log."""
    return lambda name: refused(prepare_entry, name)


@pytest.mark.parametrize(("name", "lost"), FILES)
def test_missing_file_is_named(written, message_of, name, lost):
    folder = written(name)
    (folder / lost).unlink()

    assert f"{lost} (or the same with .gz or .zst) is missing; " in message_of(name)


@pytest.mark.parametrize(
    ("name", "file", "words"),
    [
        ("aliccp", "ali_ccp_train.csv", "is an excerpt of Ali-CCP"),
        ("iaac", "round1_ijcai_18_test_a_20180301.txt", "is a test file of the contest"),
        ("kuairand", "log_random_4_22_to_5_08_pure.csv", "is the log of random exposures"),
        ("movielens", "ratings.csv", "is of a later release of MovieLens"),
        ("taobao_ads", "UserBehavior.csv", "is another log of Taobao"),
    ],
)
def test_file_of_something_else_is_recognised(tmp_path, message_of, name, file, words):
    (tmp_path / file).write_text("1,2\n")

    assert f"({file} {words}" in message_of(name)


@pytest.mark.parametrize(("name", "file", "old", "new", "words"), WRONG)
def test_wrong_content_is_named(written, message_of, name, file, old, new, words):
    path = written(name) / file
    text = path.read_text("latin-1")
    assert old in text
    path.write_text(text.replace(old, new, 1), "latin-1")

    assert f"{file}{words}" in message_of(name)


@pytest.mark.parametrize(("name", "file"), SIDES.items())
def test_key_that_comes_twice_is_named(written, message_of, name, file):
    path = written(name) / file
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines, lines[-1]]))

    message = message_of(name)

    assert f"{file} line {len(lines)}: " in message
    assert "occurs more than once; a side file has one line per" in message


@pytest.mark.parametrize(("name", "file"), SIDES.items())
def test_key_that_a_side_file_lacks_is_named(written, message_of, name, file):
    path = written(name) / file
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))

    message = message_of(name)

    assert f" is not in {file}; " in message
    assert " rows name 1 values of " in message


@pytest.mark.parametrize("releases", [(0, 1), (1, 2), (0, 3)])
def test_mixed_releases_are_refused(write_raw, message_of, releases):
    for release in releases:
        write_raw("kuairand", release=release)

    message = message_of("kuairand")

    assert "files of different releases are mixed" in message
    for release in releases:
        assert kuairand.RELEASES[release].name in message
        assert kuairand.RELEASES[release].logs[0] in message
