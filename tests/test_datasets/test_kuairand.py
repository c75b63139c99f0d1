from __future__ import annotations

import numpy as np
import pytest

from datasets.catalog import kuairand

PURE, ONE_K, ALL, SAMPLE = range(4)


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


def test_random_exposures_beside_the_log_are_not_read(write_raw, prepare_entry):
    folder = write_raw("kuairand", release=ONE_K)
    (folder / "log_random_4_22_to_5_08_1k.csv").write_text("user_id\n1\n")

    assert prepare_entry("kuairand").card["rows_in_log"] == 60


def test_side_file_of_another_release_is_refused(write_raw, prepare_entry, refused):
    folder = write_raw("kuairand", release=PURE)
    (folder / "user_features_pure.csv").rename(folder / "user_features_1k.csv")

    assert "KuaiRand-1K (user_features_1k.csv)" in refused(prepare_entry, "kuairand")
