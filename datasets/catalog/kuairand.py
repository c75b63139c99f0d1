"""KuaiRand-Pure: impressions of short videos in the tabs of one app, with clicks.

The standard log is joined with the user and the basic video features. Only what is known before the
impression is a feature. Left out because they tell or follow the click: is_like, is_follow,
is_comment, is_forward, is_hate, long_view, play_time_ms, profile_stay_time, comment_stay_time,
is_profile_enter. The video statistics of the release are left out too: they are totals over the
whole period, test days included. `hour` is cut from `hourmin`; `date` is no feature, as no day of
test occurs in train.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from datasets.provenance import Source
from datasets.rawlog import RawLog
from datasets.spec import DataError, DatasetSpec, DomainPartition, FeatureSpec
from datasets.tables import TextTable, find_file, require_columns

if TYPE_CHECKING:
    from pathlib import Path

LOG_FILES = ("log_standard_4_22_to_5_08_pure.csv", "log_standard_4_25_to_5_08_pure.csv")
USER_FILE = "user_features_pure.csv"
VIDEO_FILE = "video_features_basic_pure.csv"
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
    features=(
        # Most telling first: a small protocol keeps the domain columns and the first others.
        FeatureSpec(name="tab"),
        FeatureSpec(name="user_id"),
        FeatureSpec(name="video_id"),
        FeatureSpec(name="author_id"),
        FeatureSpec(name="tag", kind="bag", separator=",", max_length=3),
        FeatureSpec(name="duration_ms", kind="numeric"),
        FeatureSpec(name="hour"),
        FeatureSpec(name="user_active_degree"),
        FeatureSpec(name="upload_type"),
        FeatureSpec(name="music_id"),
        *(
            FeatureSpec(name=name)
            for name in (*USER_COLUMNS, *VIDEO_COLUMNS)
            if name not in ("user_active_degree", "author_id", "tag", "upload_type", "music_id")
        ),
    ),
    partition=DomainPartition(("tab",)),
    representative="tab",
    source=Source(
        description=(
            "KuaiRand-Pure (Gao et al., CIKM 2022), standard policy log, CC BY-SA 4.0. The label"
            " is_click is a click on the impression."
        ),
    ),
    finer=(DomainPartition(("tab", "user_active_degree")),),
)


def read_raw(root: Path) -> RawLog:
    """Read the standard log and join what is known of its users and videos.

    Raises:
        DataError: a file or a column is missing, or a side file has two rows for one key.
    """
    log_path, user_path, video_path = (
        find_file(root, names) for names in (LOG_FILES, (USER_FILE,), (VIDEO_FILE,))
    )
    log = TextTable.open(log_path)
    require_columns(log, LOG_COLUMNS)
    hour = (pl.col("hourmin").str.zfill(4).str.head(2)).alias("hour")
    frame = (
        log.scan()
        .select(*LOG_COLUMNS, hour)
        .join(
            _side_table(user_path, "user_id", USER_COLUMNS),
            on="user_id",
            how="left",
            maintain_order="left",
        )
        .join(
            _side_table(video_path, "video_id", VIDEO_COLUMNS),
            on="video_id",
            how="left",
            maintain_order="left",
        )
    )
    return RawLog(frame=frame, files=(log_path, user_path, video_path), tables=(log,))


def _side_table(path: Path, key: str, columns: tuple[str, ...]) -> pl.LazyFrame:
    """A small file with one row per key."""
    table = TextTable.open(path)
    require_columns(table, (key, *columns))
    _ = table.survey  # a malformed line is reported before the rows are used
    frame = table.scan().select(key, *columns).collect()
    repeated = frame[key].is_duplicated()
    if repeated.any():
        row = int(repeated.arg_max() or 0)
        raise DataError(
            f"{table.locate(row)}: {key} {frame[key][row]!r} occurs more than once; a side file"
            f" has one line per {key}"
        )
    return frame.lazy()
