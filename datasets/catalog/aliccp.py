"""Ali-CCP: impressions in Taobao's recommendations, with clicks and purchases.

A line of `sample_skeleton_*.csv` holds the labels, the features of its item and context, and the
index of a line of `common_features_*.csv`, which holds those of its user. Both are parsed lazily
into the wanted fields and joined in one streamed pass; an index counts within its own pair of
files.

The log has no time, and its lines are in the order of the index, not of the impressions. The files
of train and test are therefore put one after the other and split by the seeded shuffle that every
log without time has. The split is 4:1:1, as of every log here, but not the official one: lines of
one index fall into all splits, and results cannot be compared with those on the official test file.

The label is the click; `buy` follows it and is no feature. The values of the features (counts) are
left out: a bag is the mean of its first ids.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from datasets.provenance import PublishedCounts, Source
from datasets.raw.releases import JoinedLog, Release, Rule, SideFile, find_release, join_sides
from datasets.raw.text import TextTable
from datasets.spec import DataError, DatasetSpec, DomainPartition, FeatureSpec, categorical

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from datasets.raw.raw_log import RawLog

RELEASE = Release(
    "Ali-CCP",
    ("sample_skeleton_train.csv", "sample_skeleton_test.csv"),
    ("common_features_train.csv", "common_features_test.csv"),
)
FOREIGN = {
    "ali_ccp_train.csv": "an excerpt of Ali-CCP that others have joined",
    "ali_ccp_val.csv": "an excerpt of Ali-CCP that others have joined",
    "sample_train.tar.gz": "an archive that is still to be unpacked",
}
LEAKS = ("buy",)
KEY = "common_feature_index"
SKELETON_COLUMNS = ("sample_id", "click", "buy", KEY, "num_features", "features")
COMMON_COLUMNS = (KEY, "num_features", "features")
SKELETON_FIELDS = {
    "scenario": "301",
    "item_id": "205",
    "category_id": "206",
    "shop_id": "207",
    "brand_id": "216",
    "intention_ids": "210",
    "category_x_history": "508",
    "shop_x_history": "509",
    "brand_x_history": "702",
    "intention_x_history": "853",
}
COMMON_FIELDS = {
    "user_id": "101",
    "user_segment": "121",
    "user_group": "122",
    "user_gender": "124",
    "user_age": "125",
    "user_consumption_1": "126",
    "user_consumption_2": "127",
    "user_occupation": "128",
    "user_geography": "129",
    "category_history": "109_14",
    "shop_history": "110_14",
    "brand_history": "127_14",
    "intention_history": "150_14",
}
ENTRY_START, ID_START, VALUE_START = "\x01", "\x02", "\x03"

SPEC = DatasetSpec(
    name="aliccp",
    label="click",
    timestamp=None,
    cluster="user_id",
    item="item_id",
    prior=("user_id", "item_id", "shop_id"),
    features=(
        # Most telling first: a small protocol keeps the domain columns and the first others.
        *categorical("scenario user_gender user_age user_id item_id category_id shop_id brand_id"),
        FeatureSpec(name="category_history", kind="bag", max_length=8),
        FeatureSpec(name="intention_ids", kind="bag", max_length=4),
        *categorical("user_group user_segment category_x_history shop_x_history brand_x_history"),
        FeatureSpec(name="intention_x_history", kind="bag", max_length=4),
        FeatureSpec(name="shop_history", kind="bag", max_length=8),
        FeatureSpec(name="brand_history", kind="bag", max_length=8),
        FeatureSpec(name="intention_history", kind="bag", max_length=8),
        *categorical("user_consumption_1 user_consumption_2 user_occupation user_geography"),
    ),
    partition=DomainPartition(("scenario",)),
    # Chosen a priori: the only column of the partition, and the one that work on this log takes for
    # its domains (the position of the impression on the page).
    representative="scenario",
    source=Source(
        description=(
            "Ali-CCP: about 84 million impressions in Taobao's recommendations. The label click is"
            " a click on the impression, so that this is click prediction; purchases after the"
            " click are in the log but not used. scenario is field 301, the position."
        ),
        licence="terms of Tianchi, shown at the download",
        citation=(
            "Ma et al.: Entire Space Multi-Task Model: An Effective Approach for Estimating"
            " Post-Click Conversion Rate. SIGIR 2018, pages 1137-1140, arXiv:1804.07931"
        ),
        homepage="https://tianchi.aliyun.com/dataset/408",
        files=RELEASE.files,
        instructions=(
            "Log in to Tianchi, fetch the two archives of train and test, and unpack the two"
            " skeleton files and the two files of common features into the folder (they may be"
            " gzipped)."
        ),
        published=(
            PublishedCounts(
                RELEASE.name,
                "42,300,135 lines of train and 43,016,840 of test, as counted in public code; the"
                " paper says 84 million",
                85_316_975,
            ),
        ),
    ),
    finer=(DomainPartition(("scenario", "user_gender", "user_age")),),
)
BAG_LENGTHS = {
    feature.name: feature.max_length for feature in SPEC.features if feature.kind == "bag"
}


def read_raw(root: Path) -> RawLog:
    """Read both parts of the log and join the features that rows have in common.

    Raises:
        DataError: a file is missing, or is not in the official format.
    """
    found = find_release(root, (RELEASE,), FOREIGN)
    tables = tuple(_open(path, SKELETON_COLUMNS) for path in found.logs)
    sides = tuple(_common(path) for path in found.sides)
    parts = [
        join_sides(table.scan().select("click", KEY, *_parsed(SKELETON_FIELDS)), (side,))
        for table, side in zip(tables, sides, strict=True)
    ]
    return JoinedLog(
        release=found.release.published,
        frame=pl.concat(parts),
        files=found.logs + found.sides,
        tables=tables,
        joins=tuple(zip(tables, sides, strict=True)),
        rules=tuple(_rule(table) for table in (*tables, *(side.table for side in sides))),
    )


def _common(path: Path) -> SideFile:
    table = _open(path, COMMON_COLUMNS)
    return SideFile(table, KEY, table.scan().select(KEY, *_parsed(COMMON_FIELDS)))


def _open(path: Path, columns: tuple[str, ...]) -> TextTable:
    """A file of the official format, told by its first line."""
    table = TextTable.open(path, ",", columns)
    first = str(table.scan().head(1).collect()["features"].first())
    if ID_START not in first or VALUE_START not in first:
        raise DataError(
            f"{path} line 1: the list of features is {first[:80]!r}; entries are separated by"
            " \\x01, and hold a field, \\x02, an id, \\x03 and a value; take the official file"
        )
    return table


def _rule(table: TextTable) -> Rule:
    features = pl.col("features")
    is_list = features.str.contains(ID_START, literal=True)
    is_list &= features.str.contains(VALUE_START, literal=True)
    return Rule(table, is_list, "the list of features has no entry with \\x02 and \\x03")


def _parsed(fields: Mapping[str, str]) -> list[pl.Expr]:
    """One column for each field: its id, or the first ids of a bag joined by ';'."""
    entries = pl.concat_str(pl.lit(ENTRY_START), pl.col("features"))
    columns = []
    for name, field in fields.items():
        start = f"{ENTRY_START}{field}{ID_START}"
        if name not in BAG_LENGTHS:
            columns.append(entries.str.extract(f"{start}([^{ENTRY_START}{VALUE_START}]+)"))
            continue
        found = entries.str.extract_all(f"{start}[^{ENTRY_START}{VALUE_START}]+")
        ids = (
            found.list.head(BAG_LENGTHS[name])
            .list.join(";")
            .str.replace_all(start, "", literal=True)
        )
        columns.append(pl.when(ids != "").then(ids))
    return [column.alias(name) for column, name in zip(columns, fields, strict=True)]
