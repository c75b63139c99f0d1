"""IAAC, the public data set of the AdaSparse paper (IJCAI-18 Alimama contest).

The official files are `round1_ijcai_18_train_20180301.txt` (478,138 rows) and `round2_train.txt`
(10,432,036 rows), with the same columns. The paper reports 10.9 million impressions, as many as
both have together; round 2 alone is near that, so a folder that holds both is read as round 2.
Exactly one file of a folder is read, in the order of `FILES`, because the samples of round 1
contain one another and the rows of round 1. Copies may lack the columns of `MAY_BE_ABSENT`; without
`context_timestamp` the log is split by a seeded shuffle.
`instance_id` and `context_id` have one value per row and are no features.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from datasets.provenance import PublishedCounts, Source
from datasets.raw.raw_log import RawLog
from datasets.raw.releases import nothing_found, present_file
from datasets.raw.tables import check_folder, require_columns
from datasets.raw.text import TextTable
from datasets.raw.writing import Notation, Writing
from datasets.spec import DatasetSpec, DomainPartition, FeatureSpec, categorical

if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger(__name__)

FILES = (
    "round2_train.txt",
    "round1_ijcai_18_train_20180301.txt",
    "iaac_round1_random28k.txt",
    "iaac_round1_union.txt",
)
ROUNDS = ("IAAC round 2", "IAAC round 1")
FOREIGN = dict.fromkeys(
    (
        "round1_ijcai_18_test_a_20180301.txt",
        "round1_ijcai_18_test_b_20180418.txt",
        "round2_ijcai_18_test_a_20180425.txt",
        "round2_ijcai_18_test_b_20180510.txt",
    ),
    "a test file of the contest, without labels",
)
MAY_BE_ABSENT = (
    "instance_id",
    "item_property_list",
    "context_id",
    "context_timestamp",
    "predict_category_property",
)
MISSING_NUMBER = "-1"  # -1 is a token like any other in the categorical columns and lists
NUMERIC = (
    "shop_review_positive_rate",
    "shop_score_service",
    "shop_score_delivery",
    "shop_score_description",
)
WRITING = Writing(
    separator=" ",
    notations=tuple(Notation(name=name, missing=(MISSING_NUMBER,)) for name in NUMERIC),
    is_verbatim=True,
)

SPEC = DatasetSpec(
    name="iaac",
    label="is_trade",
    timestamp="context_timestamp",
    cluster="user_id",
    item="item_id",
    prior=("user_id", "item_id", "shop_id"),
    features=(
        # Most telling first: a small protocol keeps the domain columns and the first others.
        *categorical(
            "user_gender_id user_age_level user_star_level user_id item_id shop_id item_brand_id"
        ),
        FeatureSpec(name="item_category_list", kind="bag", max_length=3),
        *categorical(
            "item_price_level item_sales_level context_page_id item_city_id"
            " item_collected_level item_pv_level"
        ),
        FeatureSpec(name="item_property_list", kind="bag", max_length=16),
        FeatureSpec(name="predict_category_property", kind="bag", max_length=8),
        *categorical("user_occupation_id shop_review_num_level shop_star_level"),
        *(FeatureSpec(name=name, kind="numeric") for name in NUMERIC),
    ),
    partition=DomainPartition(("user_gender_id", "user_age_level", "user_star_level")),
    # Chosen a priori: age has more values than gender (eight, three), and each keeps hundreds of
    # rows even in the samples, where the rarest star level has ten.
    representative="user_age_level",
    source=Source(
        description=(
            "IAAC: international advertising algorithm contest of Alimama (IJCAI-18), clicks on ads"
            " in Taobao's search. The label is_trade is a purchase after a click, so that this is"
            " post-click conversion prediction, as in the public experiments of the AdaSparse"
            " paper."
        ),
        licence="terms of the contest; none are stated for the samples of round 1",
        citation=(
            "IJCAI-18 Alimama sponsored search conversion rate prediction contest, Tianchi, 2018"
        ),
        homepage="https://tianchi.aliyun.com/competition/entrance/231647/introduction",
        files=FILES[:2],  # either will do
        instructions=(
            "Log in to Tianchi and unpack round2_train.txt, the train file of round 2, into the"
            " folder.\n"
            "Where only the archive of round 1 is offered"
            " (https://tianchi.aliyun.com/dataset/147588), put"
            " round1_ijcai_18_train_20180301.txt there instead: it is read where round 2 is not"
            " there.\n"
            "Both are text with a header and spaces between the values, and may be gzipped. The"
            " test files of the contest have no labels and are not needed."
        ),
        published=(
            PublishedCounts(
                ROUNDS[0], "lines of the train file, as counted in public code", 10_432_036
            ),
            PublishedCounts(
                ROUNDS[1],
                "IJCAI2018/note.md of github.com/rogeroyer/dataCastle",
                478_138,
                197_694,
                10_075,
            ),
        ),
    ),
)


def read_raw(root: Path) -> RawLog:
    """Read the one log file of a folder.

    Raises:
        DataError: no known file is there, or it lacks a column that official copies have.
    """
    path = _the_file(root)
    table = TextTable.open(path, WRITING.separator)
    needed = [SPEC.label, *(feature.name for feature in SPEC.features), *MAY_BE_ABSENT]
    absent = require_columns(table, dict.fromkeys(needed), optional=MAY_BE_ABSENT)
    return RawLog(
        frame=WRITING.without_missing(table.scan(), NUMERIC),
        files=(path,),
        tables=(table,),
        absent=absent,
        release=ROUNDS[0] if path.name.startswith("round2") else ROUNDS[1],
        writing=WRITING,
    )


def _the_file(root: Path) -> Path:
    check_folder(root)
    paths = [path for name in FILES if (path := present_file(root, name))]
    if not paths:
        raise nothing_found(root, [[name] for name in FILES], FOREIGN)
    if len(paths) > 1:
        others = ", ".join(path.name for path in paths[1:])
        logger.warning("%s is read; %s in the same folder is not", paths[0], others)
    return paths[0]
