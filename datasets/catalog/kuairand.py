"""KuaiRand: impressions of short videos in the tabs of one app, with clicks.

The three releases (Pure, 1K, 27K) have one layout: the parts of the standard log, one after the
other in time, joined with the user and the basic video features. Only what is known before the
impression is a feature: left out are `LEAKS`, which tell or follow the click, and the video
statistics of the release, which are totals over the whole period, test days included. `hour` is cut
from `hourmin`; `date` is no feature, as no day of test occurs in train. The log of random exposures
is another policy's and is not read.

The join holds the features of all videos in memory: little for Pure and 1K, but about 10 GiB for
the 32 million videos of 27K.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from datasets.provenance import Download, PublishedCounts, Source
from datasets.raw.releases import JoinedLog, Release, SideFile, find_release, join_sides
from datasets.raw.tables import require_columns
from datasets.raw.text import TextTable
from datasets.spec import DatasetSpec, DomainPartition, FeatureSpec, categorical

if TYPE_CHECKING:
    from pathlib import Path

    from datasets.raw.raw_log import RawLog


def _release(name: str, suffix: str, logs: tuple[str, ...], whole: str = "") -> Release:
    return Release(
        name,
        tuple(f"log_standard_{log}.csv" for log in logs),
        (f"user_features_{suffix}.csv", f"video_features_basic_{suffix}.csv"),
        whole,
    )


RELEASES = (
    _release("KuaiRand-Pure", "pure", ("4_08_to_4_21_pure", "4_22_to_5_08_pure")),
    _release("KuaiRand-1K", "1k", ("4_08_to_4_21_1k", "4_22_to_5_08_1k")),
    _release(
        "KuaiRand-27K",
        "27k",
        (
            "4_08_to_4_21_27k_part1",
            "4_08_to_4_21_27k_part2",
            "4_22_to_5_08_27k_part1",
            "4_22_to_5_08_27k_part2",
        ),
    ),
    _release(
        "the last two weeks of KuaiRand-Pure",
        "pure",
        ("4_25_to_5_08_pure",),
        whole="KuaiRand-Pure",
    ),
)
FOREIGN = {
    f"log_random_4_22_to_5_08_{suffix}.csv": "the log of random exposures, which is not read"
    for suffix in ("pure", "1k", "27k")
}
README = "README of github.com/chongminggao/KuaiRand, rows of the 15 policies"
ZENODO = "https://zenodo.org/records/10439422/files"
LEAKS = (
    "is_like",
    "is_follow",
    "is_comment",
    "is_forward",
    "is_hate",
    "long_view",
    "play_time_ms",
    "profile_stay_time",
    "comment_stay_time",
    "is_profile_enter",
)
LOG_COLUMNS = ("user_id", "video_id", "hourmin", "time_ms", "is_click", "duration_ms", "tab")
VIDEO_COLUMNS = (
    "author_id",
    "tag",
    "video_type",
    "upload_dt",
    "upload_type",
    "music_id",
    "music_type",
)
USER_COLUMNS = (
    "user_active_degree",
    "is_live_streamer",
    "is_video_author",
    "follow_user_num_range",
    "fans_user_num_range",
    "friend_user_num_range",
    "register_days_range",
    *(f"onehot_feat{index}" for index in range(18)),
)

SPEC = DatasetSpec(
    name="kuairand",
    label="is_click",
    timestamp="time_ms",
    cluster="user_id",
    item="video_id",
    prior=("user_id", "video_id", "author_id"),
    features=(
        # Most telling first: a small protocol keeps the domain columns and the first others.
        *categorical("tab user_id video_id author_id"),
        FeatureSpec(name="tag", kind="bag", separator=",", max_length=3),
        FeatureSpec(name="duration_ms", kind="numeric"),
        *categorical("hour user_active_degree upload_type music_id"),
        *(
            FeatureSpec(name=name)
            for name in (*USER_COLUMNS, *VIDEO_COLUMNS)
            if name not in ("user_active_degree", "author_id", "tag", "upload_type", "music_id")
        ),
    ),
    partition=DomainPartition(("tab",)),
    # Chosen a priori: the only column of the partition. A tab is a scenario of the app, for which a
    # platform would keep a model of its own.
    representative="tab",
    source=Source(
        description=(
            "KuaiRand: impressions of the standard policies in the app Kuaishou, April and May"
            " 2022. The label is_click is a click in the two-column view; in the single-column view"
            " it means that the video was played to its end, or for more than seven seconds."
        ),
        licence="CC BY-SA 4.0",
        citation=(
            "Gao et al.: KuaiRand: An Unbiased Sequential Recommendation Dataset with Randomly"
            " Exposed Videos. CIKM 2022, pages 3953-3957, doi:10.1145/3511808.3557624"
        ),
        homepage="https://kuairand.com",
        downloads=(
            Download(
                name="KuaiRand-Pure.tar.gz",
                url=f"{ZENODO}/KuaiRand-Pure.tar.gz",
                size=47_432_272,
                digest="md5:0820331067a3784d9691136f772b35a7",
                members=tuple(f"KuaiRand-Pure/data/{name}" for name in RELEASES[0].files),
            ),
        ),
        instructions=(
            "KuaiRand-Pure is fetched. The larger releases go into a folder of their own, which"
            " --data-dir names: unpack the standard logs, the user features and the basic video"
            " features of\n"
            f"KuaiRand-1K: {ZENODO}/KuaiRand-1K.tar.gz (1,135,436,720 bytes, md5"
            " 6b0b9c8222d67fcd4c676218edca3f1f), or of\n"
            f"KuaiRand-27K: {ZENODO}/KuaiRand-27K.tar.gz (9,892,191,178 bytes, md5"
            " 3e3c799a24e2d23a4d2c757fbf9adf59)."
        ),
        published=(
            PublishedCounts("KuaiRand-Pure", README, 1_436_609, 27_285, 7_551),
            PublishedCounts("KuaiRand-1K", README, 11_713_045, 1_000, 4_369_953),
            PublishedCounts("KuaiRand-27K", README, 322_278_385, 27_285, 32_038_725),
        ),
    ),
    finer=(DomainPartition(("tab", "user_active_degree")),),
)


def read_raw(root: Path) -> RawLog:
    """Read the standard log and join what is known of its users and videos.

    Raises:
        DataError: a file or a column is missing, or the files are of different releases.
    """
    found = find_release(root, RELEASES, FOREIGN)
    tables = tuple(TextTable.open(path) for path in found.logs)
    for table in tables:
        require_columns(table, LOG_COLUMNS)
    users = SideFile.open(found.sides[0], "user_id", USER_COLUMNS)
    videos = SideFile.open(found.sides[1], "video_id", VIDEO_COLUMNS)
    hour = (pl.col("hourmin").str.zfill(4).str.head(2)).alias("hour")
    rows = pl.concat([table.scan().select(*LOG_COLUMNS, hour) for table in tables])
    return JoinedLog(
        release=found.release.published,
        frame=join_sides(rows, (users, videos)),
        files=found.logs + found.sides,
        tables=tables,
        joins=tuple((table, side) for table in tables for side in (users, videos)),
    )
