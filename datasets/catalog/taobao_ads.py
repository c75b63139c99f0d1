"""Display ads on Taobao: impressions at two positions, with clicks, users and ads.

`raw_sample.csv` is joined with `ad_feature.csv`, which describes every ad of the log, and with
`user_profile.csv`, which leaves some users out: their columns are missing. `nonclk` is the
complement of the label and no feature. `hour` is the hour of `time_stamp` in China. The log of
behaviours is not read.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from datasets.provenance import PublishedCounts, Source
from datasets.raw.releases import JoinedLog, Release, Rule, SideFile, find_release, join_sides
from datasets.raw.tables import require_columns
from datasets.raw.text import TextTable
from datasets.spec import DatasetSpec, DomainPartition, FeatureSpec, categorical

if TYPE_CHECKING:
    from pathlib import Path

    from datasets.raw.raw_log import RawLog

RELEASE = Release(
    "the Taobao display ads", ("raw_sample.csv",), ("ad_feature.csv", "user_profile.csv")
)
FOREIGN = {
    "UserBehavior.csv": "another log of Taobao, without ads",
    "behavior_log.csv": "the log of behaviours, which is not read",
    "taobao_train_data": "a sample of the log that others have joined",
}
LEAKS = ("nonclk",)
LOG_COLUMNS = ("user", "time_stamp", "adgroup_id", "pid", "clk")
AD_COLUMNS = ("cate_id", "campaign_id", "customer", "brand", "price")
USER_COLUMNS = (
    "cms_segid",
    "cms_group_id",
    "final_gender_code",
    "age_level",
    "pvalue_level",
    "shopping_level",
    "occupation",
    "new_user_class_level",
)
MISSING = "NULL"
CHINA_SECONDS = 8 * 3600  # ahead of UTC

SPEC = DatasetSpec(
    name="taobao_ads",
    label="clk",
    timestamp="time_stamp",
    cluster="user",
    item="adgroup_id",
    prior=("user", "adgroup_id", "customer"),
    features=(
        # Most telling first: a small protocol keeps the domain columns and the first others.
        *categorical(
            "pid final_gender_code age_level user adgroup_id cate_id brand customer campaign_id"
        ),
        FeatureSpec(name="price", kind="numeric"),
        *categorical(
            "hour shopping_level pvalue_level cms_group_id cms_segid occupation"
            " new_user_class_level"
        ),
    ),
    partition=DomainPartition(("pid",)),
    # Chosen a priori: the only column of the partition. A pid is a position of ads, for which a
    # platform would keep a model of its own.
    representative="pid",
    source=Source(
        description=(
            "Display ads on Taobao: about 26 million impressions of 1.14 million users in eight"
            " days of May 2017. The label clk is a click on the ad. Users without a profile keep"
            " their rows, with the columns of the profile missing."
        ),
        licence="terms of Tianchi, shown at the download",
        citation="Alimama: Ad Display/Click Data on Taobao.com, Tianchi, 2018",
        homepage="https://tianchi.aliyun.com/dataset/56",
        files=RELEASE.files,
        instructions=(
            "Log in to Tianchi, fetch raw_sample, ad_feature and user_profile, and unpack the three"
            " CSV files into the folder (they may be gzipped). behavior_log is not needed."
        ),
        published=(
            PublishedCounts(
                RELEASE.name,
                "rows: CTRL, arXiv:2306.02841, table of data sets; users: README of"
                " github.com/Kuaishou-RecModel/Survey_of_ULBM; ads: Tianchi, data set 56",
                26_557_961,
                1_141_729,
                846_811,
            ),
        ),
    ),
    finer=(
        DomainPartition(("pid", "final_gender_code", "age_level")),
        DomainPartition(("pid", "cms_group_id")),
    ),
)


def read_raw(root: Path) -> RawLog:
    """Read the impressions and join what is known of their ads and users.

    Raises:
        DataError: a file or a column is missing.
    """
    found = find_release(root, (RELEASE,), FOREIGN)
    log = TextTable.open(found.logs[0])
    require_columns(log, LOG_COLUMNS)
    ads, users = _ads(found.sides[0]), _users(found.sides[1])
    seconds = pl.col("time_stamp").cast(pl.Int64, strict=False) + CHINA_SECONDS
    hour = (seconds // 3600 % 24).cast(pl.String).alias("hour")
    return JoinedLog(
        release=found.release.published,
        frame=join_sides(log.scan().select(*LOG_COLUMNS, hour), (ads, users)),
        files=found.logs + found.sides,
        tables=(log,),
        joins=((log, ads), (log, users)),
        rules=(Rule(log, pl.col("clk") != pl.col("nonclk"), "clk and nonclk must differ"),),
    )


def _ads(path: Path) -> SideFile:
    side = SideFile.open(path, "adgroup_id", AD_COLUMNS)
    values = pl.col(AD_COLUMNS)
    return replace(side, frame=side.frame.with_columns(pl.when(values != MISSING).then(values)))


def _users(path: Path) -> SideFile:
    """The profiles of most users."""
    side = SideFile.open(path, "userid", USER_COLUMNS)
    return replace(side, key="user", frame=side.frame.rename({"userid": "user"}), is_complete=False)
