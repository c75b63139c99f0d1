"""Folders of real logs that lack files, or hold other ones: each is told by its name."""

from __future__ import annotations

import pytest

from datasets import catalog
from datasets.catalog import aliccp, kuairand, movielens, taobao_ads
from datasets.spec import DataError

PURE = kuairand.RELEASES[0]
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


def refused(name, folder):
    with pytest.raises(DataError) as caught:
        catalog.load(name).read_raw(folder).check()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def written(write_raw, name):
    return write_raw(name, **({"release": 0} if name == "kuairand" else {}))


@pytest.mark.parametrize(("name", "lost"), FILES)
def test_missing_file_is_named(write_raw, name, lost):
    folder = written(write_raw, name)
    (folder / lost).unlink()

    assert f"{lost} (or the same with .gz or .zst) is missing; " in refused(name, folder)


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
def test_file_of_something_else_is_recognised(tmp_path, name, file, words):
    (tmp_path / file).write_text("1,2\n")

    assert f"({file} {words}" in refused(name, tmp_path)


@pytest.mark.parametrize(("name", "file"), SIDES.items())
def test_key_that_comes_twice_is_named(write_raw, name, file):
    path = written(write_raw, name) / file
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines, lines[-1]]))

    message = refused(name, path.parent)

    assert f"{file} line {len(lines)}: " in message
    assert "occurs more than once; a side file has one line per" in message


@pytest.mark.parametrize(("name", "file"), SIDES.items())
def test_key_that_a_side_file_lacks_is_named(write_raw, name, file):
    path = written(write_raw, name) / file
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))

    message = refused(name, path.parent)

    assert f" is not in {file}; " in message
    assert " rows name 1 values of " in message


@pytest.mark.parametrize("releases", [(0, 1), (1, 2), (0, 3)])
def test_mixed_releases_are_refused(write_raw, releases):
    for release in releases:
        folder = write_raw("kuairand", release=release)

    message = refused("kuairand", folder)

    assert "files of different releases are mixed" in message
    for release in releases:
        assert kuairand.RELEASES[release].name in message
        assert kuairand.RELEASES[release].logs[0] in message
